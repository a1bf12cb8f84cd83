// The sticky bit of a directory: only who owns the file or the directory takes a name out of it.
#include "checks.h"

#include <optional>

namespace cloche::posix {
namespace {

struct Owners {
  uid_t directory, file;
  bool user_has_a_say() const { return directory == kUser || file == kUser; }
};
constexpr Owners kOwners[] = {{kUser, kUser}, {kUser, kOther}, {kUser, 0},      {kOther, kUser},
                              {0, kUser},     {0, 0},          {kOther, kOther}};

std::string to_text(Owners owners) {
  return " of " + std::to_string(owners.file) + " in " + std::to_string(owners.directory);
}

// "sticky", which anybody may write to, and "wide", which is the user's.
void lay_out(Owners owners) {
  ::mkdir("sticky", 0777);
  ::chown("sticky", owners.directory, owners.directory);
  ::chmod("sticky", 01777);
  ::mkdir("wide", 0755);
  ::chown("wide", kUser, kUser);
}

void make_for(Type type, const std::string& path, uid_t owner) {
  make(type, path);
  ::lchown(path.c_str(), owner, owner);
}

void clear(Checks& check) {
  for (const char* name : {"sticky/n", "sticky/m", "wide/n"}) remove_any(name);
  check.ok("clean", err(::rmdir("sticky")) + err(::rmdir("wide")));
}

void deletes(Checks& check) {
  for (Type type : check.types()) {
    for (Owners owners : kOwners) {
      lay_out(owners);
      make_for(type, "sticky/n", owners.file);
      int expected = owners.user_has_a_say() ? 0 : EPERM;
      Moment directory("sticky");
      as({.uid = kUser}, [&] { check.is(name_of(type) + to_text(owners), remove_any("sticky/n"), expected); });
      check.text("directory", directory.changed(), expected == 0 ? "mtime ctime" : "none");
      clear(check);
    }
  }
}

void renames(Checks& check) {
  for (Type type : check.types()) {
    for (Owners owners : kOwners) {
      lay_out(owners);
      make_for(type, "sticky/n", owners.file);
      int expected = owners.user_has_a_say() ? 0 : EPERM;
      as({.uid = kUser},
         [&] { check.is(name_of(type) + to_text(owners), err(::rename("sticky/n", "sticky/m")), expected); });
      clear(check);
    }
  }
}

struct Way {
  const char* from;
  const char* to;
};

constexpr Way kOut = {"sticky/n", "wide/n"};
constexpr Way kIn = {"wide/n", "sticky/n"};

void move(Checks& check, const std::string& what, Way way, int expected) {
  auto [from, to] = way;
  ino_t number = status(from).st_ino;
  std::string owner = owner_of(from), other = owner_of(to);
  as({.uid = kUser}, [&] { check.is(what, err(::rename(from, to)), expected); });
  check.yes("where it is", status(expected == 0 ? to : from).st_ino == number);
  check.text("whose it is", owner_of(expected == 0 ? to : from), owner);
  if (expected != 0) {
    check.text("the other", owner_of(to), other);
    return;
  }
  check.is("where it was", err(::access(from, F_OK)), ENOENT);
}

bool fit(Type from, Type to) { return (from == Type::kDirectory) == (to == Type::kDirectory); }

// Out of the directory, over a file of the user's and over none.
void moves_out(Checks& check) {
  std::vector<std::optional<Type>> targets(check.types().begin(), check.types().end());
  targets.emplace_back(std::nullopt);
  for (Type type : check.types()) {
    for (Owners owners : kOwners) {
      for (std::optional<Type> target : targets) {
        if (target && !fit(type, *target)) continue;
        lay_out(owners);
        make_for(type, "sticky/n", owners.file);
        if (target) make_for(*target, "wide/n", kUser);
        int expected = owners.user_has_a_say() ? 0 : EPERM;
        // A directory's ".." changes as well, and takes the right to write to it.
        if (expected == 0 && type == Type::kDirectory && owners.file != kUser) expected = EACCES;
        std::string what = name_of(type) + to_text(owners) + " over " + (target ? name_of(*target) : "none");
        move(check, what, kOut, expected);
        clear(check);
      }
    }
  }
}

// Into the directory, over a file in it: that one's name is taken.
void moves_in(Checks& check) {
  for (Type type : check.types()) {
    for (Type target : check.types()) {
      if (!fit(type, target)) continue;
      for (Owners owners : kOwners) {
        lay_out(owners);
        make_for(type, "wide/n", kUser);
        make_for(target, "sticky/n", owners.file);
        std::string what = std::string(name_of(type)) + " over " + name_of(target) + to_text(owners);
        move(check, what, kIn, owners.user_has_a_say() ? 0 : EPERM);
        clear(check);
      }
    }
  }
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
          {"sticky_moves_out", Needs::kRoot, moves_out},
          {"sticky_moves_in", Needs::kRoot, moves_in},
          {"sticky_root", Needs::kRoot, root}};
}

}  // namespace cloche::posix
