"""What Python's `underhood.run` and the commands share: a study is planned, run and reported here."""
