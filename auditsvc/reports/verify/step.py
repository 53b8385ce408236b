"""The numbered steps of verifying a report; those of its bundle follow under the ledger's own names."""

from dataclasses import replace

from auditsvc.ledger.verify.step import Step

NAMES: dict[int, tuple[str, str]] = {
    1: ("keys to trust were given", "已提供受信任的密钥"),
    2: ("report.json is canonical and of a known format", "report.json 为规范形式且格式已知"),
    3: ("report.jws is signed by a trusted report key", "report.jws 由受信任的报告密钥签名"),
    4: ("report.jws is over report.json, byte for byte", "report.jws 所签内容与 report.json 逐字节一致"),
    5: (
        "the PDF is signed by the pinned certificate as a whole, with nothing added",
        "PDF 由指定证书整体签名，无任何追加",
    ),
    6: ("the PDF's attachment is report.json, byte for byte", "PDF 附件与 report.json 逐字节一致"),
    7: ("the PDF's pages are those report.json gives", "PDF 页面与由 report.json 重新排版的结果一致"),
    8: ("the report's checkpoint is signed by the trusted log key", "报告所载检查点由受信任的日志密钥签名"),
    9: ("the log has an entry with the report's digest", "日志中有该报告摘要的条目"),
    10: ("the log's entries hash to the report's checkpoint", "日志条目与报告所载检查点的根哈希一致"),
    11: ("totals of the log, counted again, are the report's", "重新计数的日志合计与报告一致"),
    12: ("every violation listed stands where the log has a record of its source", "所列违规均指向日志中该来源的记录"),
    13: ("the bundle holds every record the report says it holds", "证据包含有报告所声明的全部记录"),
}
"""English and Chinese names of the steps by number."""
BUNDLE_OFFSET = 13
"""Offset of the bundle's step numbers: its steps 1 to 8 are steps 14 to 21 here."""


def passed(number: int, detail: str, where: str = "") -> Step:
    """Return a step that passed."""
    return Step(number, *NAMES[number], "pass", detail, "", where)


def failed(number: int, code: str, where: str, detail: str) -> Step:
    """Return a step that failed."""
    return Step(number, *NAMES[number], "fail", detail, code, where)


def not_done(number: int, code: str, detail: str, where: str = "") -> Step:
    """Return a step that could not be done."""
    return Step(number, *NAMES[number], "not done", detail, code, where)


def place_bundle_step(step: Step) -> Step:
    """Return a step of the bundle's checklist, renumbered for the report's."""
    return replace(step, number=step.number + BUNDLE_OFFSET)
