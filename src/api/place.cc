#include "api/place.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

namespace cloche {
namespace {

std::unexpected<Error> missing(std::string_view field, const std::string& path, int error) {
  if (error == ENOENT || error == ENOTDIR)
    return fail(ErrorCode::kNotFound,
                fmt::format("{} {}: there is no such file or directory on this host", field, path));
  return fail_errno(fmt::format("{} {}", field, path), error);
}

}  // namespace

Result<Place> find_place(std::string_view field, const std::string& path) {
  Place place;
  std::array<char, PATH_MAX> real;
  if (::realpath(path.c_str(), real.data()) == nullptr) return missing(field, path, errno);
  place.path = real.data();
  if (::stat(real.data(), &place.status) < 0) return missing(field, path, errno);
  return place;
}

Result<void> check_readable(std::string_view field, const Place& place) {
  int need = S_ISDIR(place.status.st_mode) ? R_OK | X_OK : R_OK;
  if (::access(place.path.c_str(), need) == 0) return {};
  return fail(ErrorCode::kPermission, fmt::format("{} {}: not readable for this user", field, place.path), errno);
}

}  // namespace cloche
