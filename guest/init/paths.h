// Places for mounts and working directories, made where they are missing.
#pragma once

#include <string>

#include "guest/init/failure.h"

namespace cloche::init {

enum class Place { kDirectory, kFile };

// Makes `path` (absolute) and the directories above it where they are missing, mode 0755 (file: 0644, empty). Symbolic
// links are followed; where one leads nowhere, what it names is made. What is there already is left as it is, whatever
// it is.
Result<void> make_place(const std::string& path, Place place);

// How many names `path` has: 0 for "/". "//" and "." do not count.
size_t path_depth(std::string_view path);

}  // namespace cloche::init
