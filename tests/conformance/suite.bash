# The official conformance suite, installed for one run; sourced by the scripts beside it, which set $work, a folder that is
# theirs. The suite wants Node 22, which comes from npm where the machine has an older one.

suite=@modelcontextprotocol/conformance@0.2.0-alpha.12

# Says SKIP and ends the run where one of these programs is absent: it is no failure of ours.
need() {
  local program
  for program in "$@"; do
    if ! command -v "$program" >/dev/null; then
      echo "SKIP: no $program here"
      exit 0
    fi
  done
}

install_suite() {
  local packages=("$suite") version
  version=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
  if [ "${version:-0}" -lt 22 ]; then
    packages+=(node@22)
  fi
  (cd "$work" && npm install --silent --no-audit --no-fund --no-save "${packages[@]}")
  export PATH="$work/node_modules/.bin:$PATH"
}
