"""Every kind of stored file, truncated and with bits flipped: noticed, or healed; never believed."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright.errors import FormatTooNewError, InputError, IntegrityError
from modelwright.store import Store
from modelwright.store.files import read_file, seal, unseal
from modelwright.store.logs import Damage, Position
from modelwright.testing.store import KEY, publish, record


def flips(data: bytes, count: int) -> list[bytes]:
    """Return copies of ``data`` with one bit flipped, or cut short."""
    chance = random.Random(0)
    spoilt = []
    for _ in range(count):
        place = chance.randrange(len(data))
        changed = bytearray(data)
        changed[place] ^= 1 << chance.randrange(8)
        spoilt += [bytes(changed), data[:place]]
    return spoilt


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def spoil_each(path: Path, count: int, check: Callable[[], None]) -> None:
    whole = path.read_bytes()
    for spoilt in flips(whole, count):
        overwrite(path, spoilt)
        check()
    overwrite(path, whole)


def test_objects(store: Store) -> None:
    digest = store.objects.put(b"some bytes of a picture")

    def check() -> None:
        with pytest.raises(IntegrityError):
            store.objects.get(digest)

    spoil_each(store.objects.path(digest), 40, check)


def test_manifests_and_content(store: Store) -> None:
    made = publish(store)
    paths = [path for path in made.folder.rglob("*") if path.is_file()]
    assert len(paths) == 4

    def check() -> None:
        fresh = Store.open(store.root)
        assert list(fresh.artifacts.verify()) != []

    for path in paths:
        spoil_each(path, 25, check)
    assert list(store.artifacts.verify()) == []


def test_an_unlisted_or_missing_file_is_noticed(store: Store) -> None:
    made = publish(store)
    (made.folder / "content" / "extra").write_text("x")
    assert len(made.verify()) == 1
    (made.folder / "content" / "extra").unlink()
    (made.folder / "content" / "weights.bin").unlink()
    with pytest.raises(IntegrityError, match="missing"):
        made.path("weights.bin")


def test_a_link_in_place_of_a_file_is_refused(store: Store, tmp_path: Path) -> None:
    made = publish(store)
    digest = store.objects.put(b"x")
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    looks: list[tuple[Path, Callable[[], object]]] = [
        (store.objects.path(digest), lambda: store.objects.get(digest)),
        (made.folder / "content" / "weights.bin", lambda: made.path("weights.bin")),
        (made.folder / "manifest.json", lambda: store.artifacts.open(made.digest)),
    ]
    for path, look in looks:
        path.unlink()
        path.symlink_to(secret)
        with pytest.raises(IntegrityError):
            look()


def test_pointers_of_the_step_cache_heal(store: Store) -> None:
    made = publish(store, key=KEY)
    keys = store.root / "artifacts" / "keys" / KEY[0] / KEY[1]
    latest = store.root / "artifacts" / "latest" / "model"

    def check() -> None:
        assert store.artifacts.by_key(*KEY) in {None, made}
        assert store.artifacts.latest("model") == made

    spoil_each(keys, 40, check)
    spoil_each(latest, 40, check)
    overwrite(keys, b"")
    publish(store, key=KEY)
    assert store.artifacts.by_key(*KEY) == made


def test_deployment_pointer_and_store_mark(store: Store) -> None:
    store.deployments.promote("server", publish(store, "package").digest, "me", "first")

    def check_pointer() -> None:
        with pytest.raises((IntegrityError, FormatTooNewError)):
            store.deployments.champion("server")

    def check_mark() -> None:
        with pytest.raises((IntegrityError, FormatTooNewError)):
            Store.open(store.root)

    spoil_each(store.deployments.path("server"), 60, check_pointer)
    spoil_each(store.root / "store.json", 40, check_mark)


def test_secrets(store: Store) -> None:
    store.keys.signing()
    path = store.root / "keys" / "signing.pem"
    whole_key = path.read_bytes()
    for spoilt in (b"", whole_key[:50], b"\0" * 100, whole_key.replace(b"PRIVATE", b"PUBLIC")):
        path.write_bytes(spoilt)
        with pytest.raises(IntegrityError):
            store.keys.signing()
    store.keys.token()
    (store.root / "keys" / "token").write_bytes(b"\n")
    with pytest.raises(IntegrityError):
        store.keys.token()


def test_catalog(store: Store) -> None:
    for number in range(50):
        store.annotations.append(f"{number:064x}", "label", "apple", "me", "person")
    store.close()
    path = store.root / "catalog.sqlite"
    whole_file = path.read_bytes()
    path.write_bytes(b"\0" * 100 + whole_file[100:])
    with pytest.raises(IntegrityError, match=r"catalog\.sqlite is damaged"):
        Store.open(store.root).annotations.newest()
    place = whole_file.rindex(b'"apple"')
    path.write_bytes(whole_file[:place] + b'"apply"' + whole_file[place + 7 :])
    assert Store.open(store.root).annotations.verify() != []


def test_newer_formats_are_refused(store: Store) -> None:
    made = publish(store)
    path = made.folder / "manifest.json"
    manifest = unseal(path.read_bytes(), path, 1)
    overwrite(path, seal({**manifest, "format": 2}))
    with pytest.raises(FormatTooNewError, match=r"format 2; this Modelwright reads up to 1"):
        store.artifacts.open(made.digest)
    (store.root / "store.json").write_bytes(b'{"format": 99}')
    with pytest.raises(FormatTooNewError):
        Store.open(store.root)
    with pytest.raises(InputError):
        Store.open(store.root / "store.json" / "below")


# -- prediction logs ------------------------------------------------------------------------------------------------


def segment(store: Store, count: int) -> Path:
    with store.logs.writer("server") as writer:
        writer.append_many([record(number) for number in range(count)])
    (path,) = (store.root / "logs" / "server").glob("*.wal")
    return path


def read_times(store: Store) -> tuple[list[int], list[Damage]]:
    damages: list[Damage] = []
    times = [each.time for _, batch in store.logs.read("server", None, 7, damages.append) for each in batch]
    return times, damages


def test_a_flipped_bit_costs_one_record_and_is_reported(store: Store) -> None:
    path = segment(store, 40)
    data = path.read_bytes()
    chance = random.Random(1)
    for _ in range(150):
        place = chance.randrange(len(data))
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :])
        times, damages = read_times(store)
        assert len(times) == 39
        assert times == sorted(set(times))
        assert len(damages) == 1
        assert damages[0].offset <= place < damages[0].offset + damages[0].size
        assert damages[0].kind == ("torn" if 39 not in times else "damaged")


def test_a_torn_end_is_cut_off_wherever_it_is(store: Store) -> None:
    path = segment(store, 5)
    data = path.read_bytes()
    for size in range(len(data) - 400, len(data)):
        path.write_bytes(data[:size])
        times, damages = read_times(store)
        assert times == list(range(len(times)))
        assert len(damages) in {0, 1}
        assert all(damage.kind == "torn" and damage.offset + damage.size == size for damage in damages)
    for tail in (bytes(5000), b"\xff" * 100, b'{"id":' * 50, data[:-1]):
        path.write_bytes(data + tail)
        times, damages = read_times(store)
        assert times[:5] == list(range(5))
        assert damages[-1].kind == "torn"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(garbage=st.binary(max_size=300), place=st.integers(0, 5000), spoil=st.booleans())
def test_garbage_anywhere_never_makes_a_record(store: Store, garbage: bytes, place: int, spoil: bool) -> None:
    for old in (store.root / "logs").glob("server/*.wal"):
        old.unlink()
    path = segment(store, 20)
    data = path.read_bytes()
    place = min(place, len(data))
    path.write_bytes(data[:place] + garbage + data[place + (len(garbage) if spoil else 0) :])
    times, damages = read_times(store)
    assert times == sorted(set(times))
    assert set(times) <= set(range(20))
    assert len(times) + len(damages) * 20 >= 20


def test_a_damaged_segment_is_kept_when_it_is_compacted(store: Store) -> None:
    path = segment(store, 10)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    done = store.logs.compact("server")
    assert done.records == 9
    assert [damage.kind for damage in done.damages] == ["damaged"]
    assert path.with_suffix(".wal.damaged").read_bytes() == data
    assert read_times(store) == ([n for n in range(10) if n in read_times(store)[0]], [])
    with store.logs.writer("server") as writer:
        writer.append(record(77))
    assert read_times(store)[0][-1] == 77


def test_a_damaged_parquet_file_is_reported(store: Store) -> None:
    segment(store, 200)
    store.logs.compact("server")
    (path,) = (store.root / "logs" / "server").glob("*.parquet")
    data = path.read_bytes()
    chance = random.Random(2)
    wrong = 0
    for _ in range(60):
        place = chance.randrange(len(data))
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :])
        damages: list[Damage] = []
        records = [each for _, batch in store.logs.read("server", None, 50, damages.append) for each in batch]
        wrong += not damages and records != [record(number) for number in range(200)]
    assert wrong == 0


def test_both_files_after_a_crash_in_compaction_count_once(store: Store) -> None:
    path = segment(store, 10)
    data = path.read_bytes()
    store.logs.compact("server")
    path.write_bytes(data)
    assert read_times(store) == (list(range(10)), [])
    store.logs.compact("server")
    assert not path.exists()
    assert read_times(store) == (list(range(10)), [])


def test_a_position_is_checked() -> None:
    for bad in ({}, {"floor": "x", "offsets": {}}, {"floor": 1, "offsets": [1]}):
        with pytest.raises(IntegrityError):
            Position.from_dict(bad)


def test_frames_are_as_documented(store: Store) -> None:
    data = segment(store, 1).read_bytes()
    length, checksum = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")
    body = data[8:]
    assert (length, checksum) == (len(body), zlib.crc32(body))
    header = int.from_bytes(body[:4], "little")
    assert body[4:10] == b'{"id":'
    assert body[4 + header :] == record(0).input
    assert read_file(next((store.root / "logs").glob("server/*.wal"))) == data
