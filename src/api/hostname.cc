#include "cloche/hostname.h"

#include <algorithm>

namespace cloche {
namespace {

constexpr size_t kMaxLabel = 63;

bool is_label(std::string_view label) {
  auto good = [](char each) {
    return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') || (each >= '0' && each <= '9') || each == '-';
  };
  return !label.empty() && label.size() <= kMaxLabel && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, good);
}

}  // namespace

bool is_hostname(std::string_view name) {
  if (name.size() > kMaxHostname) return false;
  for (size_t at = 0; at <= name.size();) {
    size_t end = std::min(name.find('.', at), name.size());
    if (!is_label(name.substr(at, end - at))) return false;
    at = end + 1;
  }
  return true;
}

}  // namespace cloche
