// The sticky bit of a directory: only who owns the file or the directory takes a name out of it.
#include "checks.h"

namespace cloche::posix {
namespace {

struct Owners {
  uid_t directory, file;
};

void each_owner(Checks& check, const std::function<void(const std::string& what, Type type, int expected)>& act) {
  for (Type type : kTypes) {
    for (auto [directory, file] : {Owners{kUser, kUser}, Owners{kUser, kOther}, Owners{kOther, kUser},
                                   Owners{kOther, kOther}, Owners{0, kUser}, Owners{0, 0}}) {
      ::mkdir("dir", 0777);
      ::chown("dir", directory, directory);
      ::chmod("dir", 01777);
      make(type, "dir/n");
      ::lchown("dir/n", file, file);
      std::string what =
          std::string(name_of(type)) + " of " + std::to_string(file) + " in " + std::to_string(directory);
      act(what, type, directory == kUser || file == kUser ? 0 : EPERM);
      remove_any("dir/n");
      remove_any("dir/m");
      check.ok("clean", err(::rmdir("dir")));
    }
  }
}

void deletes(Checks& check) {
  each_owner(check, [&](const std::string& what, Type, int expected) {
    as({.uid = kUser}, [&] { check.is(what, remove_any("dir/n"), expected); });
  });
}

void renames(Checks& check) {
  each_owner(check, [&](const std::string& what, Type, int expected) {
    as({.uid = kUser}, [&] { check.is(what, err(::rename("dir/n", "dir/m")), expected); });
  });
}

void replaces(Checks& check) {
  each_owner(check, [&](const std::string& what, Type type, int expected) {
    as({.uid = kUser}, [&] {
      make(type == Type::kDirectory ? type : Type::kRegular, "dir/m");
      check.is(what, err(::rename("dir/m", "dir/n")), expected);
    });
  });
}

void root(Checks& check) {
  ::mkdir("dir", 0777);
  ::chown("dir", kUser, kUser);
  ::chmod("dir", 01777);
  as({.uid = kOther}, [&] { put("dir/n", ""); });
  check.ok("root may", err(::unlink("dir/n")));
}

}  // namespace

std::vector<Case> sticky_cases() {
  return {{"sticky_deletes", Needs::kRoot, deletes},
          {"sticky_renames", Needs::kRoot, renames},
          {"sticky_replaces", Needs::kRoot, replaces},
          {"sticky_root", Needs::kRoot, root}};
}

}  // namespace cloche::posix
