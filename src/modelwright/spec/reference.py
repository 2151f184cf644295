"""Print ``docs/spec.md``, made from the table of keys: ``python -m modelwright.spec.reference > docs/spec.md``."""

from __future__ import annotations

import sys

from modelwright.spec import keys as table
from modelwright.spec import source_options, vocabulary

EXAMPLE = """\
name: belt-fruit
problem: Which fruit lies on the belt?
input: image
output: category
sources:
  - folder: photos/               # one folder per class
clean:   {drop: [corrupt, duplicate], review: [mislabelled]}
split:   {train: 0.7, validation: 0.1, test: 0.2}
train:   {models: auto, budget: 10m, loss: auto, folds: 0, trials: 0, seed: 0}
package: {optimise: []}
accept:  {f1_macro: ">= 0.9", latency_p95_ms: "<= 30", size_mb: "<= 20"}
deploy:  {to: server, port: 8080}
monitor: {window: 1h, drift: auto}
retrain: {when: [drift, "labels >= 200"], promote: auto}
"""

HEAD = f"""\
# The spec: `modelwright.yaml`

<!-- Made by `python -m modelwright.spec.reference`; a test keeps it current. Edit src/modelwright/spec/keys.py. -->

What a project is to do, in one file. `mw init PATH` looks at the data and writes it, with every guess explained.
Everything but `sources` may be left out.

```yaml
{EXAMPLE}```

The file is UTF-8, one YAML document without anchors, aliases and tags, at most 1 MB. Relative locations start from its
folder. A mistake is one error that names file, line, key, what was found, what is allowed, and the nearest word:

```
modelwright.yaml:9: train.budgt: …
```
"""


def text() -> str:
    """Return the whole page."""
    parts = [HEAD.replace("modelwright.yaml:9: train.budgt: …", _an_error())]
    parts.append("## At the top\n")
    parts += [_key(key) for key in table.section_keys("").values()]
    parts.append(f"## `sources`\n\n{table.SPECIAL['sources']}\n")
    parts.append(
        '```yaml\nsources:\n  - folder: photos/\n  - table: more/*.csv\n    missing: ["-"]\n  - feedback: server\n```\n'
    )
    for kind, options in source_options.SOURCE_OPTIONS.items():
        others = [word for word, meant in source_options.ALIASES.items() if meant == kind]
        also = f" (also: {', '.join(f'`{word}`' for word in others)})" if others else ""
        parts.append(f"### `{kind}`{also}\n")
        rows = [f"- `{name}`: {type_.allowed}" for name, type_ in options.items()]
        parts.append("\n".join(rows) + "\n" if rows else "No options.\n")
    parts.append(f"## `accept`\n\n{table.SPECIAL['accept']} A list of limits for one metric is allowed.\n")
    for output, metrics in vocabulary.METRICS.items():
        parts.append(f"- for `output: {output}`: {', '.join(f'`{name}`' for name in metrics)}")
    parts.append(f"- measured, for every output: {', '.join(f'`{name}`' for name in vocabulary.MEASUREMENTS)}\n")
    for section, doc in table.SECTIONS.items():
        parts.append(f"## `{section}`\n\n{doc}\n")
        parts += [_key(key) for key in table.section_keys(section).values()]
    return "\n".join(parts).rstrip() + "\n"


def _key(key: table.Key) -> str:
    allowed = key.type.allowed
    return f"### `{key.name}`\n\n{key.doc}\n\n- allowed: {allowed}\n- default: {key.shown}\n"


def _an_error() -> str:
    from modelwright.errors import SpecError
    from modelwright.spec.reading import loads

    try:
        loads(EXAMPLE.replace("budget", "budgt"))
    except SpecError as error:
        return f"{error.message} ({error.hint})"
    raise AssertionError("the example's mistake was not found")


if __name__ == "__main__":
    sys.stdout.write(text())
