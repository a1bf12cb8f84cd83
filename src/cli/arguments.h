// Command lines: CLI11 knows the flags; this finds where they end, so that everything behind them is the command's,
// untouched.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cloche/result.h"

namespace CLI {
class App;
}

namespace cloche::cli {

struct SplitArguments {
  std::vector<std::string> flags;    // Each flag and each value on its own.
  std::vector<std::string> command;  // What follows `--`, or the first word that is neither a flag nor a flag's value.
};

// Errors: a flag that `app` does not know (with the one that was meant, where it can be guessed), a missing value.
Result<SplitArguments> split_arguments(const CLI::App& app, std::span<const std::string> arguments);

enum class Parsed { kGo, kHelp };
// Has `app` take `flags`. kHelp: help was asked for.
Result<Parsed> parse_flags(CLI::App& app, std::vector<std::string> flags);

// Both of the above: the words behind the flags. Empty: help was asked for, and printed.
Result<std::optional<std::vector<std::string>>> parse_words(CLI::App& app, std::span<const std::string> arguments);

// For subcommands without words, which it refuses. kHelp: help was asked for and printed.
Result<Parsed> parse_all(CLI::App& app, std::span<const std::string> arguments);

// Of `known`, the one that `typed` was probably meant to be; empty where none is near.
std::string nearest(std::string_view typed, std::span<const std::string> known);

}  // namespace cloche::cli
