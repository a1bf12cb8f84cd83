// How --help looks.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace cloche::cli {

// Gives `app` a --help that reads well: `usage` behind its name, groups, wrapped texts.
void set_style(CLI::App& app, const std::string& usage);

}  // namespace cloche::cli
