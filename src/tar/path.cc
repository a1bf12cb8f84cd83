#include "tar/path.h"

#include <algorithm>

namespace cloche::tar {
namespace {

// Takes the first component off.
std::string_view next(std::string_view& path) {
  size_t slash = std::min(path.find('/'), path.size());
  std::string_view component = path.substr(0, slash);
  path.remove_prefix(std::min(slash + 1, path.size()));
  return component;
}

}  // namespace

Result<std::string> clean_path(std::string_view name) {
  if (name.empty()) return fail(ErrorCode::kInvalidArgument, "its name is empty");
  if (name.starts_with('/')) return fail(ErrorCode::kInvalidArgument, "its name is absolute");
  std::string clean;
  while (!name.empty()) {
    std::string_view component = next(name);
    if (component == "..") return fail(ErrorCode::kInvalidArgument, "its name has a component \"..\"");
    if (component.empty() || component == ".") continue;
    if (!clean.empty()) clean += '/';
    clean += component;
  }
  return clean;
}

Split split(std::string_view path) {
  size_t slash = path.rfind('/');
  if (slash == path.npos) return {"", std::string(path)};
  return {std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

bool lies_in(std::string_view path, std::string_view directory) {
  if (directory.empty()) return !path.empty();
  return path.starts_with(directory) && path.substr(directory.size()).starts_with('/');
}

size_t components_of(std::string_view clean) {
  return clean.empty() ? 0 : static_cast<size_t>(std::ranges::count(clean, '/')) + 1;
}

bool stays_inside(std::string_view path, std::string_view target, size_t top) {
  if (target.starts_with('/')) return false;
  size_t depth = components_of(path) - 1;  // Of the directory that the link is in.
  bool after_name = false;
  while (!target.empty()) {
    std::string_view component = next(target);
    if (component.empty() || component == ".") continue;
    if (component != "..") {
      after_name = true;
      continue;
    }
    if (after_name || depth <= top) return false;
    --depth;
  }
  return true;
}

}  // namespace cloche::tar
