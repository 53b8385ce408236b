"""The stage that raises alerts from findings. It has its own position in the relational database, because alerts are not
rebuilt with the store: people act on them.
"""

from itertools import islice

from auditsvc.alerts.group import fill_title
from auditsvc.alerts.model import AlertTemplate
from auditsvc.alerts.service import apply_findings, get_position, set_position
from auditsvc.ground.database import read_session, write_session
from auditsvc.ground.errors import LogError
from auditsvc.inforce.versions import Versions
from auditsvc.ledger.ledger import Ledger
from auditsvc.store.port import EventStore
from auditsvc.store.rows import Finding, LedgerPlace

FINDINGS_AT_ONCE = 2_000
"""Findings of one transaction: it holds the database's write lock, which group commits need too."""


class AlertStage:
    """Consumes the store's findings in ledger order."""

    def __init__(self, ledger: Ledger, store: EventStore, versions: Versions) -> None:
        """Read from ``store``, write alerts to the ledger's database."""
        self._ledger = ledger
        self._store = store
        self._versions = versions
        self._last_batch = -1
        self._last_policy_seq = -1
        with read_session(ledger.database) as session:
            self._position = get_position(session)

    def step(self, end: LedgerPlace) -> int:
        """Raise alerts for new findings before ``end``; return the number of findings.

        Safe against crashes: alerts and position are one transaction, and a finding is in only one alert.
        """
        seen = 0
        while self._position < end:
            findings = list(islice(self._store.iter_findings(self._position, end), FINDINGS_AT_ONCE))
            place = end
            if len(findings) == FINDINGS_AT_ONCE:
                findings, place = self._cut_at_record(findings)
            if findings:
                with write_session(self._ledger.database) as session:
                    apply_findings(session, self._ledger, findings, self._find_template)
                    set_position(session, place)
            self._position = place
            seen += len(findings)
        return seen

    def _cut_at_record(self, findings: list[Finding]) -> tuple[list[Finding], LedgerPlace]:
        """Return the findings before the last record, which may have more, and its place; or all of a single record."""
        last = findings[-1]
        place = LedgerPlace(last.seq, last.record)
        whole = [finding for finding in findings if (finding.seq, finding.record) < (last.seq, last.record)]
        if whole:
            return whole, place
        behind = LedgerPlace(last.seq, last.record + 1)
        return list(self._store.iter_findings(place, behind)), behind

    def save(self) -> None:
        """Save the position, which advances only in memory while there are no findings; a restart then re-reads less."""
        with write_session(self._ledger.database) as session:
            set_position(session, self._position)

    def _find_template(self, finding: Finding) -> AlertTemplate:
        """Return the alert template of a finding's policy, from the set in force at the finding's batch."""
        if finding.seq != self._last_batch:
            policy_seq = self._versions.find(finding.seq).policy_seq
            if policy_seq is None:
                raise LogError("log_damaged", f"log: no policy set before leaf {finding.seq}, yet a finding on it")
            self._last_batch, self._last_policy_seq = finding.seq, policy_seq
        policies = self._versions.get_policies(self._last_policy_seq)
        rule = policies.get_alert_rule(finding.policy_id, int(finding.policy_version))
        titles = [fill_title(text, finding.group) for text in (rule.title.zh, rule.title.en)]
        return AlertTemplate(rule.suppress_s, *titles)
