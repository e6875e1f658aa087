"""What office formats share: packages of parts, XML as a stream, links and macros."""
