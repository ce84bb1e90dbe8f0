"""Tests of the count cube."""
