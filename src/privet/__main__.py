"""`python -m privet`."""

from privet.cli.main import main

main()
