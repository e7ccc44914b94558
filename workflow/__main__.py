"""The whole paper, headless: `python -m workflow quick`. Checks all, then lets Snakemake run what is stale."""

from workflow import run


def main() -> None:
    parser = run.parser(__doc__)
    parser.add_argument("--status", action="store_true", help="only say which steps are stale, and why")
    parser.add_argument("--name", action="store_true", help="only print the name of the run")
    arguments = parser.parse_args()
    if arguments.name:
        print(run.settings(arguments)["run"])
    else:
        run.leave_with(run.bring_up_to_date, arguments)


if __name__ == "__main__":
    main()
