"""The commands of ``auditsvc``, for tests that go through all of them."""

import click


def list_leaf_commands(group: click.Command, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Return the words of every command that is not a group."""
    if not isinstance(group, click.Group):
        return {path}
    context = click.Context(group)
    found = set()
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found |= list_leaf_commands(command, (*path, name))
    return found
