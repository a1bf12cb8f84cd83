// Flags with a value, as the subcommands add them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cloche/result.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace cloche::cli {

// A flag with a value: `take` gets each, in the order given.
struct Flag {
  const char* names;
  const char* value;
  const char* text;
};
using Take = std::function<Result<void>(const std::string&)>;

CLI::Option* add(CLI::App& app, const char* group, const Flag& flag, Take take);

// Puts a parsed value where it belongs, or passes its error on.
template <typename T, typename Place>
Result<void> store(Result<T> value, Place& place) {
  if (!value) return std::unexpected(std::move(value).error());
  place = std::move(*value);
  return {};
}

template <typename T>
Result<void> append(Result<T> value, std::vector<T>& list) {
  if (!value) return std::unexpected(std::move(value).error());
  list.push_back(std::move(*value));
  return {};
}

}  // namespace cloche::cli
