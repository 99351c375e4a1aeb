"""The report of a session as one offline HTML file."""

from lossgauge.reports.html.page import write_report

__all__ = ["write_report"]
