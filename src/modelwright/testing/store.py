"""The contract of a store, as checks that every backend of it must pass.

Each check takes ``open_store``, which opens one and the same store anew at every call, as another process would::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, open_store):
        check(open_store)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from modelwright.canonical import digest_bytes
from modelwright.errors import InputError, IntegrityError, ModelwrightError
from modelwright.store import Artifact, Store
from modelwright.store.logs import Damage, Record

OpenStore: TypeAlias = Callable[[], Store]
KEY = ("train", "ab" * 32)
SAMPLE = digest_bytes(b"a sample")
OTHER = digest_bytes(b"another sample")


def refuses(kind: type[ModelwrightError], code: str, call: Callable[..., Any], *arguments: Any) -> None:
    """Assert that ``call`` raises ``kind`` with ``code``."""
    found = None
    try:
        call(*arguments)
    except kind as error:
        found = error.code
    assert found == code, f"{call} with {arguments}: {found!r} instead of {code!r}"


def publish(store: Store, kind: str = "model", number: int = 0, key: tuple[str, str] | None = None) -> Artifact:
    """Publish a small artifact whose identity depends on ``kind`` and ``number`` alone."""
    with store.artifacts.begin(kind) as writer:
        writer.file("weights.bin").write_bytes(bytes([number]) * 1000)
        writer.file("notes/readme.txt").write_text(f"number {number}")
        writer.attach("timings.json").write_text("{}")
        return writer.publish({"number": number}, {"dataset": "0" * 64}, key, {"seconds": 1.0})


def record(number: int, data: bytes = b"") -> Record:
    """Return a prediction whose fields follow from ``number``."""
    data = data or b"input %d " % number * 20
    output = {"label": "apple", "probabilities": {"apple": 0.75, "pear": 0.25}, "number": number}
    return Record(f"{number:012x}", number, "0" * 64, digest_bytes(data), "image/png", data, output, 7)


def check_objects_come_back(open_store: OpenStore) -> None:
    digest = open_store().objects.put(b"bytes")
    assert digest == digest_bytes(b"bytes") == open_store().objects.put(b"bytes")
    assert open_store().objects.get(digest) == b"bytes"
    assert open_store().objects.has(digest)
    assert not open_store().objects.has(OTHER)
    refuses(InputError, "no-such-object", open_store().objects.get, OTHER)


def check_damaged_objects_are_never_returned(open_store: OpenStore) -> None:
    """WHY: a wrong pixel in a training set is found by nobody later."""
    store = open_store()
    digest = store.objects.put(b"bytes")
    store.objects.path(digest).chmod(0o644)
    store.objects.path(digest).write_bytes(b"bytez")
    refuses(IntegrityError, "integrity", store.objects.get, digest)
    store.objects.put(b"bytes")
    assert store.objects.get(digest) == b"bytes"


def check_names_cannot_leave_the_store(open_store: OpenStore) -> None:
    """WHY: paths named by clients are how other model stores were broken into, year after year."""
    store = open_store()
    for bad in ("../" * 20 + "etc/passwd", "/etc/passwd", "..", "", "a" * 63, "A" * 64, "a" * 64 + "\n", "%2e%2e"):
        refuses(InputError, "bad-digest", store.objects.get, bad)
        refuses(InputError, "bad-digest", store.artifacts.open, bad[:3] + "/")
        refuses(InputError, "bad-digest", store.annotations.append, bad, "label", 1, "me", "person")
    for bad in ("..", "a/b", "", ".hidden", "a\0b", "x" * 200, "-"):
        refuses(InputError, "bad-name", store.logs.writer, bad)
        refuses(InputError, "bad-name", store.deployments.pointer, bad)
        refuses(InputError, "bad-name", store.cache_dir, bad)
        refuses(InputError, "bad-name", store.artifacts.begin, bad)
    with store.artifacts.begin("model") as writer:
        for bad in ("../x", "/x", "a//b", "a/../b", "a\\b", "", ".x", "a/.x"):
            refuses(InputError, "bad-name", writer.file, bad)
            refuses(InputError, "bad-name", writer.attach, bad)


def check_artifact_is_found_again(open_store: OpenStore) -> None:
    made = publish(open_store(), key=KEY)
    for found in (
        open_store().artifacts.open(made.digest),
        open_store().artifacts.open(made.digest[:8], "model"),
        open_store().artifacts.by_key(*KEY),
        open_store().artifacts.latest("model"),
    ):
        assert found == made
        assert found is not None
        assert (found.meta, found.inputs) == ({"number": 0}, {"dataset": "0" * 64})
        assert found.path("weights.bin").read_bytes() == bytes(1000)
        assert found.path("notes/readme.txt").read_text() == "number 0"
        assert found.observed["seconds"] == 1.0
        assert found.attached("nothing") is None
        assert found.verify() == []
    refuses(InputError, "no-such-file", made.path, "nothing")
    refuses(InputError, "no-such-artifact", open_store().artifacts.open, "f" * 64)
    assert open_store().artifacts.by_key("train", "0" * 64) is None


def check_same_identity_is_the_same_artifact(open_store: OpenStore) -> None:
    first, second, other = publish(open_store()), publish(open_store()), publish(open_store(), number=1)
    assert first.digest == second.digest != other.digest
    assert [each.digest for each in open_store().artifacts.list("model")] == [first.digest, other.digest]
    assert open_store().artifacts.latest("model") == other


def check_nothing_is_there_before_it_is_published(open_store: OpenStore) -> None:
    store = open_store()
    with store.artifacts.begin("model") as writer:
        writer.file("weights.bin").write_bytes(b"half")
        assert open_store().artifacts.list("model") == []
    assert open_store().artifacts.list("model") == []
    assert open_store().artifacts.latest("model") is None


def check_damaged_artifact_is_noticed(open_store: OpenStore) -> None:
    made = publish(open_store())
    path = made.folder / "content" / "weights.bin"
    path.chmod(0o644)
    path.write_bytes(bytes(999) + b"\1")
    found = open_store().artifacts.open(made.digest)
    refuses(IntegrityError, "integrity", found.path, "weights.bin")
    assert len(found.verify()) == 1
    assert publish(open_store()).verify() == []


def check_attachments_stay_outside_the_identity(open_store: OpenStore) -> None:
    made = publish(open_store())
    made.attach("report.html", b"first")
    open_store().artifacts.open(made.digest).attach("report.html", b"second")
    path = made.attached("report.html")
    assert path is not None
    assert path.read_bytes() == b"second"
    assert open_store().artifacts.open(made.digest).verify() == []
    path.write_bytes(b"forged")
    refuses(IntegrityError, "integrity", made.attached, "report.html")


def check_annotations_are_only_added(open_store: OpenStore) -> None:
    store = open_store()
    assert store.annotations.newest() == {}
    first = store.annotations.append(SAMPLE, "label", "apple", "ann", "person")
    second = store.annotations.append(OTHER, "label", 1.5, "server", "feedback", prediction="p1")
    third = open_store().annotations.append(SAMPLE, "label", None, "bob", "person")
    assert (first, second, third) == (1, 2, 3)
    newest = open_store().annotations.newest()
    assert {sample: each.value for sample, each in newest.items()} == {SAMPLE: None, OTHER: 1.5}
    assert (newest[OTHER].prediction, newest[OTHER].author, newest[OTHER].source) == ("p1", "server", "feedback")
    assert [each.value for each in store.annotations.of(SAMPLE)] == ["apple", None]
    assert [each.seq for each in store.annotations.since(1)] == [2, 3]
    assert set(store.annotations.newest(source="feedback")) == {OTHER}
    assert store.annotations.verify() == []


def check_head_names_the_state(open_store: OpenStore) -> None:
    """WHY: a run with nothing to do asks the head instead of the database; a stale one would hide new labels."""
    store = open_store()
    heads = [store.annotations.head()]
    for number in range(3):
        store.annotations.append(SAMPLE, "label", number, "ann", "person")
        heads.append(store.annotations.head())
        assert open_store().annotations.head() == heads[-1]
    assert len(set(heads)) == 4
    (store.root / "annotations.head").unlink(missing_ok=True)
    assert open_store().annotations.head() == heads[-1]
    (store.root / "annotations.head").write_text("torn")
    assert open_store().annotations.head() == heads[-1]
    assert [store.annotations.count(head) for head in heads] == [0, 1, 2, 3]


def check_decisions_can_be_taken_back(open_store: OpenStore) -> None:
    store = open_store()
    before = store.decisions.head()
    store.decisions.record("issue-1", "drop", "ann", "blurred")
    store.decisions.record("issue-2", "keep", "ann")
    store.decisions.record("issue-1", "keep", "bob")
    assert {issue: each.decision for issue, each in open_store().decisions.current().items()} == {
        "issue-1": "keep",
        "issue-2": "keep",
    }
    store.decisions.undo("issue-1", "ann")
    assert set(open_store().decisions.current()) == {"issue-2"}
    assert len(list(store.decisions.history())) == 4
    assert store.decisions.head() != before
    refuses(InputError, "nothing-to-undo", store.decisions.undo, "issue-1", "ann")
    refuses(InputError, "bad-decision", store.decisions.record, "issue-1", "burn", "ann")


def check_champions_follow_each_other(open_store: OpenStore) -> None:
    store = open_store()
    packages = [publish(store, "package", number).digest for number in range(3)]
    assert store.deployments.champion("server") is None
    for number, package in enumerate(packages):
        pointer = open_store().deployments.promote("server", package, "ann", f"reason {number}")
        assert pointer["sequence"] == number + 1
    assert store.deployments.promote("server", packages[2], "ann", "again")["sequence"] == 3
    for number in (1, 0):
        assert open_store().deployments.undo("server", "ann", "worse")["champion"]["package"] == packages[number]
    refuses(InputError, "nothing-to-undo", store.deployments.undo, "server", "ann", "worse")
    refuses(InputError, "no-such-artifact", store.deployments.promote, "server", "f" * 64, "ann", "")
    champion = open_store().deployments.champion("server")
    assert champion is not None
    assert (champion["package"], champion["sequence"]) == (packages[0], 5)
    events = [each.event for each in store.catalog.audit.events(subject="deployment:server")]
    assert events == ["promote"] * 3 + ["undo"] * 2


def check_runs_are_noted(open_store: OpenStore) -> None:
    store = open_store()
    first = store.catalog.runs.start("prepare", {}, {"a": 1}, 7, {"python": "3"})
    second = store.catalog.runs.start("train", {"dataset": "0" * 64}, {}, None, {})
    store.catalog.runs.finish(first, "done", artifact="1" * 64)
    store.catalog.runs.finish(second, "failed", error="no memory")
    newest, oldest = open_store().catalog.runs.list(10)
    assert (newest.id, newest.status, newest.error, newest.inputs) == (
        second,
        "failed",
        "no memory",
        {"dataset": "0" * 64},
    )
    assert (oldest.id, oldest.status, oldest.artifact, oldest.seed) == (first, "done", "1" * 64, 7)
    assert [run.id for run in store.catalog.runs.made("1" * 64)] == [first]
    refuses(InputError, "no-such-run", store.catalog.runs.finish, first, "done")
    refuses(InputError, "bad-status", store.catalog.runs.finish, first, "splendid")


def check_looks_at_a_test_split_are_counted(open_store: OpenStore) -> None:
    assert open_store().catalog.audit.looks(SAMPLE) == 0
    assert [open_store().catalog.audit.look(SAMPLE, "validate") for _ in range(3)] == [1, 2, 3]
    assert open_store().catalog.audit.looks(OTHER) == 0


def check_lineage_goes_both_ways(open_store: OpenStore) -> None:
    store = open_store()
    store.annotations.append(SAMPLE, "label", "apple", "ann", "person")
    made: list[Artifact] = []
    for kind in ("dataset", "model", "package"):
        inputs = {made[-1].kind: made[-1].digest} if made else {"annotations": store.annotations.head()}
        with store.artifacts.begin(kind) as writer:
            made.append(writer.publish({}, inputs))
    unrelated = publish(store, "report")
    graph = open_store().catalog.lineage.of(made[1].digest)
    assert {node.kind for node in graph.nodes} == {"annotations", "dataset", "model", "package"}
    assert unrelated.digest not in {node.id for node in graph.nodes}
    assert {(edge.name, edge.made) for edge in graph.edges} == {
        ("annotations", made[0].digest),
        ("dataset", made[1].digest),
        ("model", made[2].digest),
    }
    assert next(node.meta for node in graph.nodes if node.kind == "annotations") == {"count": 1}


def check_log_is_read_on_from_where_one_stopped(open_store: OpenStore) -> None:
    store = open_store()
    assert list(store.logs.read("server")) == []
    records = [record(number) for number in range(50)]
    with store.logs.writer("server", "power", segment_bytes=4096) as writer:
        writer.append_many(records[:30])
        *_, (position, _) = open_store().logs.read("server", batch=7)
        writer.append_many(records[30:])
        read = [each for _, batch in open_store().logs.read("server", position) for each in batch]
        assert read == records[30:]
    assert [each for _, batch in open_store().logs.read("server", batch=3) for each in batch] == records


def check_compaction_changes_nothing_that_is_read(open_store: OpenStore) -> None:
    store = open_store()
    records = [record(number) for number in range(60)]
    with store.logs.writer("server", segment_bytes=4096) as writer:
        for start in range(0, 60, 5):
            writer.append_many(records[start : start + 5])
        positions = [(position, batch[-1].time) for position, batch in store.logs.read("server", batch=4)]
    damages: list[Damage] = []
    done = store.logs.compact("server")
    assert (done.records, done.damages) == (60, ())
    for position, last in positions:
        rest = [each for _, batch in store.logs.read("server", position, 7, damages.append) for each in batch]
        assert rest == records[last + 1 :]
    assert damages == []
    assert store.logs.compact("server").segments == 0
    wanted = {records[3].sample, records[59].sample, OTHER}
    assert {found[0]: found[2] for found in open_store().logs.find_inputs(wanted)} == {
        records[number].sample: records[number].input for number in (3, 59)
    }
    assert list(store.logs.find({records[7].id})) == [records[7]]


def check_a_lock_has_one_holder(open_store: OpenStore) -> None:
    inside, most = 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with open_store().lock("work"):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    with open_store().lock("work"):
        refuses(ModelwrightError, "locked", open_store().lock("work", timeout=0.01).__enter__)


def check_secrets_are_made_once(open_store: OpenStore) -> None:
    store = open_store()
    assert store.keys.token() == open_store().keys.token()
    assert store.keys.public() == open_store().keys.public()
    for name in ("token", "signing.pem"):
        assert (store.root / "keys" / name).stat().st_mode & 0o777 == 0o600
    (store.root / "keys" / "token").chmod(0o644)
    refuses(IntegrityError, "integrity", open_store().keys.token)


CHECKS: tuple[Callable[[OpenStore], None], ...] = (
    check_objects_come_back,
    check_damaged_objects_are_never_returned,
    check_names_cannot_leave_the_store,
    check_artifact_is_found_again,
    check_same_identity_is_the_same_artifact,
    check_nothing_is_there_before_it_is_published,
    check_damaged_artifact_is_noticed,
    check_attachments_stay_outside_the_identity,
    check_annotations_are_only_added,
    check_head_names_the_state,
    check_decisions_can_be_taken_back,
    check_champions_follow_each_other,
    check_runs_are_noted,
    check_looks_at_a_test_split_are_counted,
    check_lineage_goes_both_ways,
    check_log_is_read_on_from_where_one_stopped,
    check_compaction_changes_nothing_that_is_read,
    check_a_lock_has_one_holder,
    check_secrets_are_made_once,
)
