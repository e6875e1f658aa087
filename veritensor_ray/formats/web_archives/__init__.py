"""WARC: web pages with the requests that fetched them."""
