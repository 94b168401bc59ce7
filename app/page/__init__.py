"""The page in the browser: signing in with a token, the cookie that stands for it, and the page's own files."""
