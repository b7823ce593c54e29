"""Tables, figures and Markdown from plain records. Imports neither methods nor reproductions."""
