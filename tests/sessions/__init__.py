"""Tests of `hostel.sessions`, module by module."""
