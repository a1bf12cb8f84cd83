# Sourced by build.sh and fetch.sh: what is written down of an image that comes into $prebuilt.

# Replaces the line of one image in VERSION: where it is from.
record_version() {
  local which=$1 from=$2 versions=$prebuilt/VERSION
  {
    if [[ -f $versions ]]; then grep -v "^$which " "$versions" || true; fi
    echo "$which $from"
  } | sort >"$versions.new"
  mv "$versions.new" "$versions"
}

# Replaces the lines of one image in SHA256SUMS, and keeps the file sorted by name.
record_digests() {
  local image=$1 vmlinux=$2 name sums=$prebuilt/SHA256SUMS
  name=$(basename "$image" .bzImage)
  {
    if [[ -f $sums ]]; then grep -v "  $name\.\(bzImage\|vmlinux\)$" "$sums" || true; fi
    printf '%s  %s.bzImage\n' "$(digest_of "$image")" "$name"
    printf '%s  %s.vmlinux\n' "$(digest_of "$vmlinux")" "$name"
  } | sort -k2 >"$sums.new"
  mv "$sums.new" "$sums"
}

digest_of() { sha256sum <"$1" | cut -d' ' -f1; }
