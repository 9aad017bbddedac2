# SPDX-License-Identifier: MIT
"""What goes wrong in a lab, with a text for people."""


class LabError(Exception):
    """The lab, or something in it, did not do what was asked."""


class LabTimeout(LabError):
    """The command was not done in time; the lab has ended what was still running."""
