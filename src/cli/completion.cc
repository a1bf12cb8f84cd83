// cloche completion bash|zsh|fish
#include "cli/completion.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <vector>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/run_flags.h"
#include "cli/say.h"

namespace cloche::cli {
namespace {

constexpr const char* kCommands =
    "run create start exec attach cp ps inspect logs events stats top wait pause resume stop restart signal kill "
    "rename "
    "rm prune pool doctor machine completion version help";
constexpr const char* kMachineCommands = "start stop status exec";
constexpr const char* kPoolCommands = "serve acquire release status";

struct Flag {
  std::vector<std::string> longs, shorts;
  std::string value, text;
  bool takes_value = false;
};

std::vector<Flag> run_flags() {
  RunRequest request;
  CLI::App app("", "run");
  add_run_flags(app, request);
  std::vector<Flag> flags;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    flags.push_back({option->get_lnames(), option->get_snames(), option->get_option_text(), option->get_description(),
                     option->get_items_expected_min() > 0});
  }
  return flags;
}

std::string all_names(const Flag& flag, std::string_view separator) {
  std::string names;
  for (const std::string& each : flag.shorts) names.append(names.empty() ? "" : separator).append("-" + each);
  for (const std::string& each : flag.longs) names.append(names.empty() ? "" : separator).append("--" + each);
  return names;
}

// Flags whose value is a path are completed as one; those with a few choices with these.
enum class ValueKind { kNone, kFile, kChoice, kOther };
ValueKind value_kind(const Flag& flag) {
  if (!flag.takes_value) return ValueKind::kNone;
  if (flag.value == "FILE" || flag.value == "DIR" || flag.value == "DIR|host" || flag.value.starts_with("HOST:") ||
      flag.value.starts_with("PATH"))
    return ValueKind::kFile;
  return flag.value.find('|') != std::string::npos ? ValueKind::kChoice : ValueKind::kOther;
}

std::string choices(const Flag& flag) {
  std::string words = flag.value;
  std::ranges::replace(words, '|', ' ');
  return words;
}

std::string quoted(std::string text, std::string_view special) {
  std::string out;
  for (char each : text) {
    if (special.find(each) != std::string_view::npos) out += '\\';
    out += each;
  }
  return out;
}

}  // namespace

std::string bash_completion() {
  std::string names, values, cases;
  for (const Flag& flag : run_flags()) {
    names.append(names.empty() ? "" : " ").append(all_names(flag, " "));
    if (!flag.takes_value) continue;
    values.append(values.empty() ? "" : "|").append(all_names(flag, "|"));
    std::string action = ":";
    if (value_kind(flag) == ValueKind::kFile) action = "COMPREPLY=($(compgen -f -- \"$cur\"))";
    if (value_kind(flag) == ValueKind::kChoice)
      action = fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", choices(flag));
    cases += fmt::format("      {}) {}; return ;;\n", all_names(flag, "|"), action);
  }
  return fmt::format(R"(# bash completion for cloche: source <(cloche completion bash)
_cloche() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} at command=
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; ++at)); do
    case ${{COMP_WORDS[at]}} in -*) ;; *) command=${{COMP_WORDS[at]}}; break ;; esac
  done
  case $command in
  '') COMPREPLY=($(compgen -W '{0} -q -v --help --version' -- "$cur")) ;;
  help) COMPREPLY=($(compgen -W '{0}' -- "$cur")) ;;
  completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- "$cur")) ;;
  doctor) COMPREPLY=($(compgen -W '--json --help' -- "$cur")) ;;
  machine) COMPREPLY=($(compgen -W '{1}' -- "$cur")) ;;
  pool) COMPREPLY=($(compgen -W '{5}' -- "$cur")) ;;
  run)
    for ((++at; at < COMP_CWORD; ++at)); do
      case ${{COMP_WORDS[at]}} in
      --) ((++at)); break ;;
      {2}) ((++at)) ;;
      -*) ;;
      *) break ;;
      esac
    done
    if ((at < COMP_CWORD)) || [[ ${{COMP_WORDS[at-1]}} == -- ]]; then
      declare -F _command_offset >/dev/null && _command_offset "$at" || COMPREPLY=($(compgen -c -- "$cur"))
      return
    fi
    case $prev in
{3}    esac
    if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '{4} --' -- "$cur"))
    else COMPREPLY=($(compgen -c -- "$cur")); fi ;;
  esac
}}
complete -o bashdefault -o default -F _cloche cloche
)",
                     kCommands, kMachineCommands, values, cases, names, kPoolCommands);
}

std::string zsh_completion() {
  std::string flags;
  for (const Flag& flag : run_flags()) {
    std::string action;
    if (value_kind(flag) == ValueKind::kFile) action = ":file:_files";
    if (value_kind(flag) == ValueKind::kChoice) action = fmt::format(":value:({})", choices(flag));
    if (value_kind(flag) == ValueKind::kOther) action = ":value:";
    std::string text = quoted(flag.text, "[]:'");
    std::erase(text, '\'');
    for (const auto& [dash, names] : {std::pair("-", flag.shorts), std::pair("--", flag.longs)})
      for (const std::string& name : names)
        flags += fmt::format("        '*{}{}[{}]{}' \\\n", dash, name, text, action);
  }
  return fmt::format(R"(#compdef cloche
# zsh completion for cloche: cloche completion zsh > ~/.zfunc/_cloche
_cloche() {{
  local -a commands=({0})
  if ((CURRENT == 2)); then
    compadd -- $commands
    return
  fi
  case $words[2] in
  help) compadd -- $commands ;;
  completion) compadd bash zsh fish ;;
  doctor) compadd -- --json --help ;;
  machine) compadd {1} ;;
  pool) compadd {3} ;;
  run)
    shift words
    ((CURRENT--))
    _arguments -S \
{2}        '*::command:_normal' ;;
  esac
}}
_cloche "$@"
)",
                     kCommands, kMachineCommands, flags, kPoolCommands);
}

std::string fish_completion() {
  std::string script =
      fmt::format(R"(# fish completion for cloche: cloche completion fish > ~/.config/fish/completions/cloche.fish
complete -c cloche -f
complete -c cloche -n __fish_use_subcommand -a '{0}'
complete -c cloche -n '__fish_seen_subcommand_from help' -a '{0}'
complete -c cloche -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
complete -c cloche -n '__fish_seen_subcommand_from doctor' -l json
complete -c cloche -n '__fish_seen_subcommand_from machine' -a '{1}'
complete -c cloche -n '__fish_seen_subcommand_from pool' -a '{2}'
complete -c cloche -n '__fish_seen_subcommand_from run' -a '(__fish_complete_subcommand)'
)",
                  kCommands, kMachineCommands, kPoolCommands);
  for (const Flag& flag : run_flags()) {
    script += "complete -c cloche -n '__fish_seen_subcommand_from run'";
    for (const std::string& name : flag.shorts) script += " -s " + name;
    for (const std::string& name : flag.longs) script += " -l " + name;
    if (value_kind(flag) == ValueKind::kFile) script += " -r -F";
    if (value_kind(flag) == ValueKind::kChoice) script += fmt::format(" -x -a '{}'", choices(flag));
    if (value_kind(flag) == ValueKind::kOther) script += " -x";
    script += fmt::format(" -d '{}'\n", quoted(flag.text, "'"));
  }
  return script;
}

int completion_command(const Invocation& invocation) {
  CLI::App app("Prints a completion script; each says in its first line how to use it.", "completion");
  set_style(app, "bash|zsh|fish");
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (!*parsed) return 0;
  std::string shell = (*parsed)->empty() ? "" : (**parsed)[0];
  if (shell == "bash")
    print(bash_completion());
  else if (shell == "zsh")
    print(zsh_completion());
  else if (shell == "fish")
    print(fish_completion());
  else
    return complain({ErrorCode::kInvalidArgument, 0, "name a shell: cloche completion bash, zsh or fish"});
  return 0;
}

}  // namespace cloche::cli
