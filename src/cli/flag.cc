#include "cli/flag.h"

#include <CLI/CLI.hpp>

namespace cloche::cli {

CLI::Option* add(CLI::App& app, const char* group, const Flag& flag, Take take) {
  std::string name = flag.names;
  name = name.substr(name.find("--"));
  CLI::callback_t callback = [take = std::move(take), name](const CLI::results_t& values) {
    for (const std::string& value : values)
      if (auto taken = take(value); !taken) throw CLI::ValidationError(name, taken.error().message());
    return true;
  };
  CLI::Option* option = app.add_option(flag.names, std::move(callback), flag.text);
  option->option_text(flag.value)->group(group)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return option;
}

}  // namespace cloche::cli
