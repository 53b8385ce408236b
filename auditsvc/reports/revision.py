"""The one revision that signing adds to a laid-out PDF: built by the signer, rebuilt by the verifier.

It makes page 1 name an invisible signature field, and the catalogue name the form and the certifying signature; nothing
else. INVARIANT: its bytes depend on the layout, the signing time and pyHanko's version only, except for the hex string of
``/Contents``. So a verifier rebuilds it and compares bytes, and need not judge what an object of a revision may hold.

Reports made before this rule had no line end between layout and revision, a random second file identifier, and
metadata that named pyHanko and the machine's time; :class:`EarlierStamp` holds what cannot be computed of these.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.metadata.info import update_info_dict
from pyhanko.pdf_utils.metadata.xmp_xml import MetadataStream
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter

REASON = "auditsvc report"
FIELD_NAME = "AuditReport"
SIGNATURE_BYTES = 16 * 1024
"""Hex digits kept for the CMS object; fixed, so that its unused part can be checked to be zero."""
LINE_END = b"\n"
"""Between the layout's end-of-file marker and the revision (ISO 19005-3, 6.1.9: an object begins on a line of its own)."""


@dataclass(frozen=True, slots=True)
class EarlierStamp:
    """What the earlier form of the revision has beside the signing time.

    Attributes:
        file_id: second part of the file identifier, 16 random bytes.
        changed: ``/ModDate`` of the information dictionary, with the machine's offset.
        changed_xmp: ``xmp:ModifyDate``, the same moment unless a second ended between the two.
    """

    file_id: bytes
    changed: datetime
    changed_xmp: datetime


class RevisionWriter(IncrementalPdfFileWriter):
    """Writes the revision: the line end first, metadata left as the layout has them."""

    def __init__(self, layout: bytes, instant: datetime) -> None:
        super().__init__(BytesIO(layout + LINE_END))
        _set_file_id(self, hashlib.sha256(layout + instant.isoformat().encode("ascii")).digest()[:16])

    def _update_meta(self) -> None:
        """Leave the metadata alone: a new time in them would be one more thing a verifier had to believe."""


class EarlierRevisionWriter(IncrementalPdfFileWriter):
    """Writes the revision in its earlier form."""

    def __init__(self, layout: bytes, stamp: EarlierStamp) -> None:
        super().__init__(BytesIO(layout))
        self._stamp = stamp
        _set_file_id(self, stamp.file_id)

    def _update_meta(self) -> None:
        """Update the metadata as pyHanko does, with the stamp's times for its own."""
        self._meta.last_modified = self._stamp.changed
        if self._info is not None:
            update_info_dict(self._meta, self._info.get_object(), only_update_existing=True)
            self.mark_update(self._info)
        self._meta.last_modified = self._stamp.changed_xmp
        metadata = self.root["/Metadata"]
        if isinstance(metadata, MetadataStream):
            metadata.update_xmp_with_meta(self._meta)
            self.update_container(metadata)


class ClockedSigner(signers.PdfSigner):
    """A signer in our form, whose signatures state a given time instead of the machine's."""

    def __init__(self, signer: signers.Signer, instant: datetime) -> None:
        metadata = signers.PdfSignatureMetadata(
            field_name=FIELD_NAME,
            md_algorithm="sha256",
            reason=REASON,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
            subfilter=SigSeedSubFilter.PADES,
        )
        super().__init__(metadata, signer=signer)
        self._instant = instant

    def init_signing_session(self, *args: Any, **kwargs: Any) -> Any:
        """Return the session with our time in it."""
        session = super().init_signing_session(*args, **kwargs)
        session.system_time = self._instant
        return session


def rebuild_revision(
    layout: bytes, cert: asn1_x509.Certificate, instant: datetime, earlier: EarlierStamp | None
) -> bytes:
    """Return the layout with its revision, the signature left out.

    Args:
        layout: the unsigned PDF, up to its end-of-file marker.
        cert: the signer's certificate; nothing of it is in the result.
        instant: the signing time, whole seconds.
        earlier: what the earlier form needs; None for today's form.
    """
    writer = EarlierRevisionWriter(layout, earlier) if earlier is not None else RevisionWriter(layout, instant)
    placeholder = signers.ExternalSigner(cert, None, signature_value=b"")
    session = ClockedSigner(placeholder, instant).init_signing_session(writer)
    _, out = session.prepare_tbs_document(None, SIGNATURE_BYTES).digest_tbs_document(output=BytesIO())
    rebuilt: bytes = out.getvalue()
    return rebuilt


def _set_file_id(writer: IncrementalPdfFileWriter, second: bytes) -> None:
    """Replace the random second part of the file identifier."""
    writer._document_id[1] = generic.ByteStringObject(second)
