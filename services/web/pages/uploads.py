"""Forms with a file: `multipart/form-data` of one of our pages, of which the route bounds the size."""

from typing import Any

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.exceptions import ClientException

from services.web.pages.sessions import is_from_here, is_of_session

_FORM = "multipart/form-data"
_MOST_FIELDS = 20

Upload = tuple[str, bytes]
"""The name that a file has on the machine from which it comes, and its bytes."""


async def posted_file_in_session(request: Request[Any, Any, Any]) -> tuple[dict[str, str], Upload | None] | None:
    """The fields and the file of a form, as `posted_in_session` has those of one without a file.

    None if it came from elsewhere, is malformed, or has a field twice or two files. Without a name a file was not
    chosen. `request_max_body_size` of the route is the most that is read.
    """
    if not is_from_here(request) or request.content_type[0] != _FORM:
        return None
    await request.body()
    try:
        form = await request.form()
    except (ClientException, LookupError, ValueError):
        return None
    given = list(form.multi_items())
    files = [value for _, value in given if isinstance(value, UploadFile)]
    try:
        fields = {name: value for name, value in given if isinstance(value, str)}
        if len(files) > 1 or len(given) > _MOST_FIELDS or len(fields) + len(files) != len(given) or "" in fields:
            return None
        return (fields, await _content(files)) if is_of_session(request, fields) else None
    finally:
        for file in files:
            await file.close()


async def _content(files: list[UploadFile]) -> Upload | None:
    for file in files:
        return file.filename, await file.read()
    return None
