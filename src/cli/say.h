// How the CLI talks: whole lines, written at once, so that two programs on one terminal do not mix theirs.
#pragma once

#include <string_view>

#include "cloche/result.h"

namespace cloche::cli {

void say(std::string_view line);        // "cloche: LINE" to standard error
void say_plain(std::string_view text);  // as it is, to standard error
void print(std::string_view text);      // to standard output
// The guest's own words, as they are; false when nobody reads that stream any more.
enum class Output { kOutput, kError };
bool pass_on(Output output, std::string_view text);
[[nodiscard]] int complain(const Error& error);  // Says it, and is the exit code for it.

}  // namespace cloche::cli
