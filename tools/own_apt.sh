# Sourced: an apt of one's own, for what this computer's sources do not have. Its packages stay what they are; where
# Debian is fetched from, and whose signature counts, is as for those.

# own_apt DIRECTORY TYPE SUITE: fills the array `apt` with a command that knows SUITE's packages (TYPE deb) or their
# sources (deb-src), with its files in DIRECTORY.
own_apt() {
  local directory=$1 site
  site=$(apt-get indextargets --format '$(SITE)' 'Origin: Debian' 'Label: Debian' | head -n 1)
  if [[ -z $site ]]; then
    echo "$0: apt knows no Debian archive here; run apt-get update" >&2
    return 1
  fi
  mkdir -p "$directory"/{lists,cache,state}
  echo "$2 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $3 main" >"$directory/sources.list"
  apt=(apt-get -q -y -o Dir::Etc::sourcelist="$directory/sources.list" -o Dir::Etc::sourceparts=-
    -o Dir::State="$directory/state" -o Dir::State::lists="$directory/lists" -o Dir::State::status=/var/lib/dpkg/status
    -o Dir::Cache="$directory/cache" -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none
    -o Acquire::Retries=3)
  "${apt[@]}" update
}
