"""How files in a POST are read: in bounded memory, to a temporary file, and never far beyond what may be kept (D31)."""

from __future__ import annotations

from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import HttpRequest

from supportdesk.policy import POLICY

IN_MEMORY_BYTES = 256 * 1024
_STOPPED = "supportdesk.stopped"


class BoundedUploadHandler(FileUploadHandler):
    """Keeps of each file one byte more than it may have, so that who counts sees that it is too large.

    A POST whose length alone is too much is read up to its first file: the fields before it are there.
    """

    def handle_raw_input(
        self,
        input_data: IO[bytes],
        META: dict[str, str],
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> None:
        self.is_over = content_length > POLICY.post_bytes_max

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.is_over:
            assert self.request is not None
            self.request.META[_STOPPED] = "1"
            raise StopUpload(connection_reset=True)
        self.left = POLICY.file_bytes_max + 1
        self.file = cast("IO[bytes]", SpooledTemporaryFile(max_size=IN_MEMORY_BYTES))  # noqa: SIM115  # Django closes it

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.file.write(raw_data[: self.left])
        self.left = max(0, self.left - len(raw_data))

    def file_complete(self, file_size: int) -> UploadedFile[Any]:
        size = self.file.tell()
        self.file.seek(0)
        return UploadedFile(
            file=self.file,
            name=self.file_name,
            content_type=self.content_type,
            size=size,
            charset=self.charset,
            content_type_extra=self.content_type_extra,
        )


def was_stopped(request: HttpRequest) -> bool:
    """True where the request was too long to be read to its end."""
    return _STOPPED in request.META
