"""Steps: the numbered checklist that a verification returns. A step that was not done is never shown as passed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from auditsvc.ground.errors import EXIT_FINDING, EXIT_INCOMPLETE, EXIT_OK

State = Literal["pass", "fail", "not done"]

NAMES: dict[int, tuple[str, str]] = {
    1: ("the files are whole and none is missing or added", "文件完整，无缺失、无多余"),
    2: ("every entry of the log is well formed and in its place", "日志条目格式正确、位置连续"),
    3: ("the checkpoints are signed by the trusted log key", "检查点由受信任的日志密钥签名"),
    4: ("the entries hash to the signed root hashes", "日志条目与已签名的根哈希一致"),
    5: ("no checkpoint contradicts another or the pinned one", "检查点之间以及与已固定检查点无矛盾"),
    6: ("times never go back and no source has a gap", "时间不倒退，各来源序号连续"),
    7: ("every archived record is the one that was accepted", "归档记录与接收时一致"),
    8: ("policy sets, catalogues and details are the ones put in force", "策略集、目录与操作详情与登记一致"),
    9: ("rows and tree of the database are those the entries give", "数据库中的记录与哈希树和条目一致"),
}
"""Step number to its name in English and Chinese."""


@dataclass(frozen=True, slots=True)
class Step:
    """The result of one step; a step that found several contradictions is listed once for each, with its location.

    Attributes:
        number: of :data:`NAMES`.
        state: ``pass``, ``fail`` or ``not done``.
        detail: one sentence; on failure, what was expected and what was found.
        code: stable name of the contradiction, empty on pass.
        where: the location, such as ``#7 record 3`` (leaf index, 0-based record); empty for the log as a whole.
    """

    number: int
    name_en: str
    name_zh: str
    state: State
    detail: str
    code: str = ""
    where: str = ""


def passed(number: int, detail: str) -> Step:
    """Return a step that passed."""
    return Step(number, *NAMES[number], "pass", detail)


def failed(number: int, code: str, where: str, detail: str) -> Step:
    """Return a step that failed."""
    return Step(number, *NAMES[number], "fail", detail, code, where)


def not_done(number: int, code: str, detail: str, where: str = "") -> Step:
    """Return a step that could not be done, or not completely."""
    return Step(number, *NAMES[number], "not done", detail, code, where)


def decide_exit_code(steps: Sequence[Step]) -> int:
    """Return 0 when every step passed, 1 when any failed, 2 when some could not be done."""
    states = {step.state for step in steps}
    if "fail" in states:
        return EXIT_FINDING
    return EXIT_INCOMPLETE if "not done" in states or not states else EXIT_OK
