"""What people do, one function an act: the commands and the console call the same, and each leaves its record."""
