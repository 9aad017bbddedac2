# SPDX-License-Identifier: MIT
"""The tests of tests/lab/transports.py, with what they share."""
