#include "krun/environment.h"

#include <algorithm>

namespace cloche::krun {
namespace {

// With the equals sign.
std::string_view name_of(std::string_view variable) { return variable.substr(0, variable.find('=') + 1); }

auto find(auto& environment, std::string_view name) {
  return std::ranges::find_if(environment, [&](const std::string& each) { return each.starts_with(name); });
}

}  // namespace

std::string value_of(const std::vector<std::string>& environment, std::string_view name) {
  std::string whole = std::string(name) + "=";
  auto found = find(environment, whole);
  return found == environment.end() ? std::string() : found->substr(whole.size());
}

void set_variable(std::vector<std::string>& environment, const std::string& variable) {
  std::string_view name = name_of(variable);
  if (name.size() < 2) return;
  auto found = find(environment, name);
  if (found == environment.end())
    environment.push_back(variable);
  else
    *found = variable;
}

void add_configured(std::vector<std::string>& environment, const std::vector<std::string>& configured) {
  std::vector<std::string> said = environment;
  for (const std::string& variable : configured) {
    std::string_view name = name_of(variable);
    if (name == "HOME=" || name == "TERM=" || find(said, name) == said.end()) set_variable(environment, variable);
  }
  for (std::string name : {"HOME", "TERM"})
    if (std::string value = value_of(environment, "KRUN_" + name); !value.empty())
      set_variable(environment, name + "=" + value);
}

}  // namespace cloche::krun
