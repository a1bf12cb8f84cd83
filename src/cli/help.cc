#include "cli/help.h"

#include <CLI/CLI.hpp>
#include <memory>

namespace cloche::cli {
namespace {

constexpr size_t kNameColumns = 34;
constexpr size_t kTextColumns = 62;

std::string wrap(std::string_view text) {
  std::string out;
  while (text.size() > kTextColumns) {
    size_t space = text.rfind(' ', kTextColumns);
    if (space == std::string_view::npos) break;
    out.append(text.substr(0, space)).append("\n");
    text.remove_prefix(space + 1);
  }
  return out.append(text);
}

class HelpFormatter final : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) { column_width(kNameColumns); }

 private:
  std::string make_usage(const CLI::App* app, std::string) const override {
    return "\nUsage: cloche " + app->get_name() + (usage_.empty() ? "" : " ") + usage_ + "\n";
  }
  std::string make_option_name(const CLI::Option* option, bool) const override {
    std::string names;
    for (const std::string& each : option->get_snames()) names.append(names.empty() ? "" : ", ").append("-" + each);
    for (const std::string& each : option->get_lnames()) names.append(names.empty() ? "" : ", ").append("--" + each);
    return names;
  }
  // "[=FILE]" belongs to the name, " FILE" does not.
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string& text = option->get_option_text();
    return text.empty() || text[0] == '[' ? text : " " + text;
  }
  std::string make_option_desc(const CLI::Option* option) const override { return wrap(option->get_description()); }
  // CLI11 has the group of --help first; it is the least of them.
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const override {
    std::vector<std::string> groups = app->get_groups();
    const std::string& last = app->get_help_ptr()->get_group();
    std::erase(groups, last);
    groups.push_back(last);
    std::string text = make_description(app) + make_usage(app, std::move(name));
    for (const std::string& group : groups) {
      auto options = app->get_options([&](const CLI::Option* option) { return option->get_group() == group; });
      if (group.empty() || options.empty()) continue;
      text.append("\n").append(group).append(":\n");
      for (const CLI::Option* option : options) text += make_option(option, false);
    }
    return app->get_footer().empty() ? text : text + "\n" + make_footer(app);
  }

  std::string usage_;
};

}  // namespace

void set_style(CLI::App& app, const std::string& usage) {
  app.formatter(std::make_shared<HelpFormatter>(usage));
  app.set_help_flag("--help", "Print this");
}

}  // namespace cloche::cli
