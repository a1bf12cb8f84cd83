#include "cli/arguments.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/say.h"

namespace cloche::cli {
namespace {

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); }

// Whether a value must follow. One that may be left out stands behind a '=' (--timings=FILE).
bool takes_value(const CLI::Option& option) { return option.get_items_expected_min() > 0; }

// Whether `word`, behind such a flag, is its value all the same: of the forms that the flag's own text shows, as in
// "[=tap=NAME|stream=PATH]", it has the beginning of one. Words like that are no commands.
bool is_value_of(const CLI::Option& option, const std::string& word) {
  std::string begin = word.substr(0, word.find('=') + 1);
  if (begin.size() < 2) return false;
  const std::string& forms = option.get_option_text();
  return forms.find("=" + begin) != std::string::npos || forms.find("|" + begin) != std::string::npos;
}
bool may_have_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::unexpected<Error> unknown_flag(const CLI::App& app, const std::string& name) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& each : option->get_lnames()) known.push_back("--" + each);
  std::string meant = nearest(name, known);
  std::string hint = meant.empty() ? "" : fmt::format("did you mean {}? ", meant);
  return bad(fmt::format("unknown flag {}; {}`cloche {} --help` lists all", name, hint, app.get_name()));
}

// Walks over the flags at the start of a command line.
class Splitter {
 public:
  Splitter(const CLI::App& app, std::span<const std::string> rest) : app_(app), rest_(rest) {}

  Result<SplitArguments> split() {
    while (!rest_.empty()) {
      const std::string& word = rest_.front();
      if (word == "--") {
        rest_ = rest_.subspan(1);
        break;
      }
      if (word.size() < 2 || word[0] != '-') break;
      rest_ = rest_.subspan(1);
      auto taken = word[1] == '-' ? take_long(word) : take_short(word);
      if (!taken) return std::unexpected(std::move(taken).error());
    }
    found_.command.assign(rest_.begin(), rest_.end());
    return std::move(found_);
  }

 private:
  Result<void> take_long(const std::string& word) {
    size_t equals = word.find('=');
    std::string name = word.substr(0, equals);
    const CLI::Option* option = app_.get_option_no_throw(name);
    if (option == nullptr) return unknown_flag(app_, name);
    if (equals == std::string::npos && takes_value(*option)) return take_value(name);
    if (equals != std::string::npos && !may_have_value(*option)) return bad(fmt::format("{} takes no value", name));
    found_.flags.push_back(name);
    if (equals == std::string::npos && !rest_.empty() && is_value_of(*option, rest_.front())) {
      found_.flags.push_back(rest_.front());
      rest_ = rest_.subspan(1);
    }
    if (equals != std::string::npos) found_.flags.push_back(word.substr(equals + 1));
    return {};
  }

  // "-it", "-eNAME=value", "-e NAME=value".
  Result<void> take_short(const std::string& word) {
    for (size_t at = 1; at < word.size(); ++at) {
      std::string name = {'-', word[at]};
      const CLI::Option* option = app_.get_option_no_throw(name);
      if (option == nullptr) return unknown_flag(app_, name);
      if (!takes_value(*option)) {
        found_.flags.push_back(name);
        continue;
      }
      std::string value = word.substr(at + 1);
      if (value.empty()) return take_value(name);
      found_.flags.push_back(name);
      found_.flags.push_back(value[0] == '=' ? value.substr(1) : value);
      return {};
    }
    return {};
  }

  Result<void> take_value(const std::string& name) {
    if (rest_.empty()) return bad(fmt::format("{} needs a value", name));
    found_.flags.push_back(name);
    found_.flags.push_back(rest_.front());
    rest_ = rest_.subspan(1);
    return {};
  }

  const CLI::App& app_;
  std::span<const std::string> rest_;
  SplitArguments found_;
};

size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<size_t> row(right.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= left.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= right.size(); ++j) {
      size_t substituted = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(std::string_view typed, std::span<const std::string> known) {
  const std::string* best = nullptr;
  size_t least = 3;  // Further away it would be a guess.
  for (const std::string& each : known) {
    size_t distance = edit_distance(typed, each);
    // What was cut short is meant as well: --mem, --work.
    if (typed.size() >= 4 && each.starts_with(typed)) distance = 1;
    if (distance < least) {
      least = distance;
      best = &each;
    }
  }
  return best == nullptr ? std::string() : *best;
}

Result<SplitArguments> split_arguments(const CLI::App& app, std::span<const std::string> arguments) {
  return Splitter(app, arguments).split();
}

Result<Parsed> parse_flags(CLI::App& app, std::vector<std::string> flags) {
  std::ranges::reverse(flags);  // As CLI11 wants them.
  try {
    app.parse(std::move(flags));
  } catch (const CLI::CallForHelp&) {
    return Parsed::kHelp;
  } catch (const CLI::ParseError& error) {
    return bad(error.what());
  }
  return Parsed::kGo;
}

Result<std::optional<std::vector<std::string>>> parse_words(CLI::App& app, std::span<const std::string> arguments) {
  auto split = split_arguments(app, arguments);
  if (!split) return std::unexpected(std::move(split).error());
  auto parsed = parse_flags(app, std::move(split->flags));
  if (!parsed) return std::unexpected(std::move(parsed).error());
  if (*parsed == Parsed::kGo) return std::move(split->command);
  print(app.help());
  return std::nullopt;
}

Result<Parsed> parse_all(CLI::App& app, std::span<const std::string> arguments) {
  auto split = split_arguments(app, arguments);
  if (!split) return std::unexpected(std::move(split).error());
  if (!split->command.empty())
    return bad(
        fmt::format("{0} takes no '{1}'; `cloche {0} --help` says what it takes", app.get_name(), split->command[0]));
  auto parsed = parse_flags(app, std::move(split->flags));
  if (parsed && *parsed == Parsed::kHelp) print(app.help());
  return parsed;
}

}  // namespace cloche::cli
