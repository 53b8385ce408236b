"""The console: server-rendered pages for people, in Chinese and English, that work without JavaScript."""
