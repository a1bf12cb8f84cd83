// Names: of every byte, of every length, at random.
#include "checks.h"

#include <dirent.h>

#include <random>
#include <set>

namespace cloche::posix {
namespace {

std::set<std::string> listing(const char* directory) {
  std::set<std::string> names;
  DIR* open = ::opendir(directory);
  if (open == nullptr) return names;
  while (dirent* entry = ::readdir(open)) names.insert(entry->d_name);
  ::closedir(open);
  names.erase(".");
  names.erase("..");
  return names;
}

void every_byte(Checks& check) {
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/' || byte == '.') continue;
    std::string name(1, static_cast<char>(byte)), what = std::to_string(byte);
    check.ok(what + " create", File(name, O_CREAT | O_EXCL | O_RDWR).error());
    check.yes(what + " listed", listing(".").contains(name));
    check.ok(what + " rename", err(::rename(name.c_str(), (name + name).c_str())));
    check.ok(what + " unlink", err(::unlink((name + name).c_str())));
  }
}

void every_length(Checks& check) {
  for (size_t size = 1; size <= 255; ++size) {
    std::string name(size, 'n');
    check.ok("create " + std::to_string(size), File(name, O_CREAT | O_EXCL | O_RDWR).error());
  }
  check.equal("listed", static_cast<long>(listing(".").size()), 255);
  for (size_t size = 1; size <= 255; ++size) check.ok("unlink", err(::unlink(std::string(size, 'n').c_str())));
}

void long_paths(Checks& check) {
  // PATH_MAX counts the NUL.
  std::string path;
  for (int i = 0; i < 15; ++i) {
    path += long_name(255);
    check.ok("mkdir", err(::mkdir(path.c_str(), 0755)));
    path += "/";
  }
  path += long_name(255);
  check.equal("bytes", static_cast<long>(path.size()), 4095);
  check.ok("4095 bytes", File(path, O_CREAT | O_RDWR).error());
  check.is("4096 bytes", File("/" + path, O_CREAT | O_RDWR).error(), ENAMETOOLONG);
  check.ok("unlink", err(::unlink(path.c_str())));
  for (int i = 15; i > 0; --i) {
    path.resize(static_cast<size_t>(i) * 256 - 1);
    check.ok("rmdir", err(::rmdir(path.c_str())));
  }
}

void random_names(Checks& check) {
  std::mt19937 random(7);
  std::set<std::string> names;
  while (names.size() < 1000) {
    std::string name(1 + random() % 255, '\0');
    for (char& byte : name) {
      do byte = static_cast<char>(random());
      while (byte == '\0' || byte == '/');
    }
    if (name != "." && name != "..") names.insert(name);
  }
  int made = 0, read = 0, removed = 0;
  for (const std::string& name : names) {
    put(name, name);
    made += status(name).st_size == static_cast<off_t>(name.size());
  }
  check.equal("made", made, 1000);
  check.yes("listed", listing(".") == names);
  for (const std::string& name : names) read += contents(name) == name;
  check.equal("read", read, 1000);
  for (const std::string& name : names) removed += ::unlink(name.c_str()) == 0;
  check.equal("removed", removed, 1000);
  check.yes("nothing left", listing(".").empty());
}

void alike(Checks& check) {
  // No folding of case, no normal forms.
  for (const char* name : {"a", "A", "\xc3\xa4", "a\xcc\x88", " a", "a ", "a.", "-a", "...", "..a", "*"}) {
    check.ok("create", File(name, O_CREAT | O_EXCL | O_RDWR).error());
  }
  check.equal("all of them", static_cast<long>(listing(".").size()), 11);
}

}  // namespace

std::vector<Case> name_cases() {
  return {{"names_every_byte", Needs::kNothing, every_byte},
          {"names_every_length", Needs::kNothing, every_length},
          {"names_long_paths", Needs::kNothing, long_paths},
          {"names_random", Needs::kNothing, random_names},
          {"names_alike", Needs::kNothing, alike}};
}

}  // namespace cloche::posix
