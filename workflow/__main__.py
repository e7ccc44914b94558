"""The whole paper, headless: `python -m workflow quick`. Checks all, then lets Snakemake run what is stale."""

from workflow import make, options


def main() -> None:
    parser = options.parser(__doc__)
    parser.add_argument("--status", action="store_true", help="only say which steps are stale, and why")
    make.leave_with(make.bring_up_to_date, parser.parse_args())


if __name__ == "__main__":
    main()
