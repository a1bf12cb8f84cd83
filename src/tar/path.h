// Names in a tar stream, as what they may be: paths beneath the directory that is unpacked into.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace cloche::tar {

// `name` without empty components and ".", as in "a/b"; empty for the directory itself. Refuses (kInvalidArgument) one
// that is empty, absolute or has a component "..".
Result<std::string> clean_path(std::string_view name);

// "a/b" as "a" and "b", "a" as "" and "a".
struct Split {
  std::string parent, leaf;
};
Split split(std::string_view path);

// Whether `path` lies in `directory`, both clean; everything but itself lies in "".
bool lies_in(std::string_view path, std::string_view directory);

size_t components_of(std::string_view clean);

// Whether a symbolic link at `path` (clean) with this target stays in the directory that is the first `top` components
// of `path`. ".." may stand only in front: behind a name, which may be a link itself, it can lead anywhere.
bool stays_inside(std::string_view path, std::string_view target, size_t top);

}  // namespace cloche::tar
