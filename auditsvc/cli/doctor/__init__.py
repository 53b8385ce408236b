"""``auditsvc doctor``: the checks of a whole installation, and the command that prints them."""

from auditsvc.cli.doctor.run import command

__all__ = ["command"]
