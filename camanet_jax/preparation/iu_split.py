"""R2Gen's split of IU X-Ray: which study is in which split, and in what order. Ids only, no text."""

import json
from pathlib import Path

_FILE = Path(__file__).with_name('iu_split.json')


def read_iu_split() -> dict[str, list[str]]:
    """The ids of the 2,069 train, 296 val and 590 test studies, such as CXR54_IM-2145, in R2Gen's order."""
    return json.loads(_FILE.read_text(encoding='utf-8'))
