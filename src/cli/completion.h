// Completion scripts, made from the flags themselves so that they cannot fall behind.
#pragma once

#include <string>

namespace cloche::cli {

std::string bash_completion();
std::string zsh_completion();
std::string fish_completion();

}  // namespace cloche::cli
