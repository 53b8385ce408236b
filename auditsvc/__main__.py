"""``python -m auditsvc``: the same as the ``auditsvc`` command."""

from auditsvc.cli.main import main

main()
