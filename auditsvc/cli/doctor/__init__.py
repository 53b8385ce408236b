"""``auditsvc doctor``: the command that prints the checks of the installation."""

from auditsvc.cli.doctor.run import command

__all__ = ["command"]
