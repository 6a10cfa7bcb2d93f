#include "envtool/activation/hook.hpp"

#include "envtool/base/text.hpp"

// The texts below are read by the user's shell in every session. They set no variables that stay
// but ENVTOOL_EXE, ENVTOOL_ROOT_PREFIX and CONDA_SHLVL, work under `set -eu`, and start no process
// before the command `envtool` is used.
//
// After a command that changes packages the active environment's scripts are run again, but only
// when they changed, which a checksum over them tells.

namespace envtool {
namespace {

// `@NAME@` is the name of the shell.
constexpr std::string_view posix_hook = R"sh(__envtool_shell() {
    __envtool_command=$1
    \shift
    for __envtool_argument in "$@"; do
        case $__envtool_argument in
            -h|--help)
                \unset __envtool_argument
                "$ENVTOOL_EXE" "$__envtool_command" --help || \return $?
                \return 0 ;;
        esac
    done
    __envtool_code=$("$ENVTOOL_EXE" shell "$__envtool_command" -s @NAME@ "$@") || {
        \set -- "$?"
        \unset __envtool_command __envtool_argument __envtool_code
        \return "$1"
    }
    \unset __envtool_command __envtool_argument
    \eval "$__envtool_code"
    \unset __envtool_code
}

__envtool_fingerprint() {
    if [ -n "${CONDA_PREFIX-}" ]; then
        \command find "$CONDA_PREFIX/etc/conda" "$CONDA_PREFIX/conda-meta/state" -type f \
            -exec cksum {} + 2>/dev/null || :
    fi
}

__envtool_change() {
    __envtool_before=$(__envtool_fingerprint)
    "$ENVTOOL_EXE" "$@" || {
        \set -- "$?"
        \unset __envtool_before
        \return "$1"
    }
    if [ "$__envtool_before" != "$(__envtool_fingerprint)" ]; then
        __envtool_shell reactivate || {
            \set -- "$?"
            \unset __envtool_before
            \return "$1"
        }
    fi
    \unset __envtool_before
    \hash -r 2>/dev/null || :
}

envtool() {
    case "${1-}" in
        activate|deactivate|reactivate) __envtool_shell "$@" ;;
        install|update|upgrade|remove|uninstall|repair|rollback) __envtool_change "$@" ;;
        env)
            case "${2-}" in
                update|config) __envtool_change "$@" ;;
                *) "$ENVTOOL_EXE" "$@" ;;
            esac ;;
        *) "$ENVTOOL_EXE" "$@" ;;
    esac
}

if [ -z "${CONDA_SHLVL+x}" ]; then
    \export CONDA_SHLVL=0
fi
)sh";

constexpr std::string_view fish_hook = R"fish(function __envtool_shell
    set -l command $argv[1]
    set -e argv[1]
    if contains -- -h $argv; or contains -- --help $argv
        $ENVTOOL_EXE $command --help
        return
    end
    set -l code ($ENVTOOL_EXE shell $command -s fish $argv)
    or return $status
    eval (string join -- \n $code | string collect)
end

function __envtool_fingerprint
    if set -q CONDA_PREFIX
        command find "$CONDA_PREFIX/etc/conda" "$CONDA_PREFIX/conda-meta/state" -type f \
            -exec cksum '{}' + 2>/dev/null | string collect
    end
end

function __envtool_change
    set -l before "$(__envtool_fingerprint)"
    $ENVTOOL_EXE $argv
    or return $status
    if test "$before" != "$(__envtool_fingerprint)"
        __envtool_shell reactivate
    end
end

function envtool
    switch "$argv[1]"
        case activate deactivate reactivate
            __envtool_shell $argv
        case install update upgrade remove uninstall repair rollback
            __envtool_change $argv
        case env
            if contains -- "$argv[2]" update config
                __envtool_change $argv
            else
                $ENVTOOL_EXE $argv
            end
        case '*'
            $ENVTOOL_EXE $argv
    end
end

function __envtool_status
    return $argv[1]
end

function __envtool_prompt
    if set -q CONDA_PROMPT_MODIFIER
        string replace -ra '[[:cntrl:]]' '?' -- "$CONDA_PROMPT_MODIFIER" | string collect | read -lz text
        printf '%s' (string trim -rc \n -- "$text")
    end
end

if not functions -q __envtool_inner_prompt
    if functions -q fish_prompt
        functions -c fish_prompt __envtool_inner_prompt
    else
        function __envtool_inner_prompt
            printf '> '
        end
    end
    function fish_prompt
        set -l last $status
        __envtool_prompt
        __envtool_status $last
        __envtool_inner_prompt
    end
end

if not set -q CONDA_SHLVL
    set -gx CONDA_SHLVL 0
end
)fish";

// csh has no functions, and `if ... then` does not work in an alias: a POSIX shell decides what is
// to be done and prints it as one line of csh. Each line here ends in a semicolon because
// `eval "`...`"` joins them; no exclamation marks, no single quotes in the program.
constexpr std::string_view tcsh_hook =
    R"csh(set _envtool_program = '@PROGRAM@';
alias envtool 'set _envtool_argv = (\!*); eval `/bin/sh -c $_envtool_program:q envtool $_envtool_argv:q`';
if ($?CONDA_SHLVL == 0) setenv CONDA_SHLVL 0;
)csh";

constexpr std::string_view tcsh_program = R"sh(
fingerprint() { if [ -n "${CONDA_PREFIX-}" ]; then
find "$CONDA_PREFIX/etc/conda" "$CONDA_PREFIX/conda-meta/state" -type f -exec cksum "{}" + 2>/dev/null | cksum | tr " " -; fi; };
code() { f=$(mktemp) || { echo "( exit 1 )"; exit; };
case $f in *[^A-Za-z0-9_./-]*) rm -f "$f"; f=$(TMPDIR=/tmp mktemp) || { echo "( exit 1 )"; exit; };; esac;
c=$1; shift; s=0; "$ENVTOOL_EXE" shell "$c" -s tcsh "$@" >"$f" || s=$?;
if [ "$s" -eq 0 ]; then echo "source $f; rm -f $f"; else rm -f "$f"; echo "( exit $s )"; fi; };
run="\$ENVTOOL_EXE:q \$_envtool_argv:q";
change() { echo "$run && eval \`/bin/sh -c \$_envtool_program:q envtool --changed x$(fingerprint)\`"; };
case "${1-}" in
activate|deactivate|reactivate)
case " $* " in *" -h "*|*" --help "*) echo "\$ENVTOOL_EXE:q $1 --help";; *) code "$@";; esac;;
install|update|upgrade|remove|uninstall|repair|rollback) change;;
env) case "${2-}" in update|config) change;; *) echo "$run";; esac;;
--changed) if [ "${2-}" = "x$(fingerprint)" ]; then echo rehash; else code reactivate; fi;;
*) echo "$run";;
esac)sh";

constexpr std::string_view xonsh_hook = R"xonsh(def __envtool_define():
    import hashlib, os, subprocess

    def evaluate(command, arguments):
        if '-h' in arguments or '--help' in arguments:
            return run([command, '--help'])
        done = subprocess.run([$ENVTOOL_EXE, 'shell', command, '-s', 'xonsh'] + arguments,
                              env=${...}.detype(), stdout=subprocess.PIPE)
        if done.returncode == 0:
            text = done.stdout.decode('utf-8', 'surrogateescape')
            if text.strip():
                execx(text, 'exec', __xonsh__.ctx, filename='envtool')
        return done.returncode

    def run(arguments, stdin=None, stdout=None, stderr=None):
        return subprocess.run([$ENVTOOL_EXE] + arguments, env=${...}.detype(),
                              stdin=stdin, stdout=stdout, stderr=stderr).returncode

    def fingerprint():
        prefix = ${...}.get('CONDA_PREFIX')
        if not prefix:
            return None
        files = [os.path.join(prefix, 'conda-meta', 'state')]
        for folder, _, names in os.walk(os.path.join(prefix, 'etc', 'conda')):
            files += [os.path.join(folder, name) for name in names]
        digest = hashlib.sha256()
        for path in sorted(files):
            try:
                with open(path, 'rb') as file:
                    digest.update(os.fsencode(path) + b'\0' + file.read())
            except OSError:
                pass
        return digest.digest()

    def envtool(arguments, stdin=None, stdout=None, stderr=None):
        arguments = list(arguments)
        command = arguments[0] if arguments else ''
        if command in ('activate', 'deactivate', 'reactivate'):
            return evaluate(command, arguments[1:])
        changes = command in ('install', 'update', 'upgrade', 'remove', 'uninstall', 'repair', 'rollback')
        changes = changes or (command == 'env' and len(arguments) > 1 and arguments[1] in ('update', 'config'))
        before = fingerprint() if changes else None
        status = run(arguments, stdin, stdout, stderr)
        if status == 0 and changes and before != fingerprint():
            return evaluate('reactivate', [])
        return status

    from xonsh.tools import unthreadable
    aliases['envtool'] = unthreadable(envtool)


__envtool_define()
del __envtool_define
if 'CONDA_SHLVL' not in ${...}:
    $CONDA_SHLVL = '0'
)xonsh";

constexpr std::string_view powershell_hook = R"ps1(function global:__envtool_shell {
    $command, $rest = $args
    $rest = @($rest | Where-Object { $null -ne $_ })
    if (($rest -contains '-h') -or ($rest -contains '--help')) { & $Env:ENVTOOL_EXE $command --help; return }
    $code = (& $Env:ENVTOOL_EXE shell $command -s powershell @rest) -join "`n"
    if ($LASTEXITCODE -eq 0 -and $code) { Invoke-Expression -Command $code }
}
function global:envtool {
    $command = if ($args.Count) { $args[0] } else { '' }
    if ($command -in 'activate', 'deactivate', 'reactivate') { __envtool_shell @args; return }
    & $Env:ENVTOOL_EXE @args
    if ($LASTEXITCODE -eq 0 -and $Env:CONDA_PREFIX -and
        $command -in 'install', 'update', 'upgrade', 'remove', 'uninstall', 'repair', 'rollback') {
        __envtool_shell reactivate
    }
}
if (-not (Test-Path Function:\__envtool_inner_prompt)) {
    if (Test-Path Function:\prompt) { Copy-Item Function:\prompt Function:\global:__envtool_inner_prompt }
    function global:prompt { "$Env:CONDA_PROMPT_MODIFIER" + (__envtool_inner_prompt) }
}
if (-not $Env:CONDA_SHLVL) { $Env:CONDA_SHLVL = '0' }
)ps1";

std::string set_line(Shell shell, std::string_view name, std::string_view value) {
  const std::string literal = quote(value, shell);
  const std::string variable(name);
  switch (shell) {
    case Shell::fish: return "set -gx " + variable + " " + literal + "\n";
    case Shell::tcsh: return "setenv " + variable + " " + literal + ";\n";
    case Shell::xonsh: return "$" + variable + " = " + literal + "\n";
    case Shell::powershell: return "$Env:" + variable + " = " + literal + "\n";
    default: return "\\export " + variable + "=" + literal + "\n";
  }
}

std::string body(Shell shell) {
  switch (shell) {
    case Shell::fish: return std::string(fish_hook);
    case Shell::tcsh: {
      const std::string program = replace_all(strip(tcsh_program), "\n", " ");
      return replace_all(tcsh_hook, "@PROGRAM@", program);
    }
    case Shell::xonsh: return std::string(xonsh_hook);
    case Shell::powershell: return std::string(powershell_hook);
    default: return replace_all(posix_hook, "@NAME@", shell_name(shell));
  }
}

}  // namespace

std::string shell_hook(Shell shell, const HookSettings& settings) {
  std::string result = set_line(shell, "ENVTOOL_EXE", settings.executable);
  if (!settings.root_prefix.empty()) result += set_line(shell, "ENVTOOL_ROOT_PREFIX", settings.root_prefix);
  result += body(shell);
  if (!settings.auto_activate.empty()) {
    result += "envtool activate " + quote(settings.auto_activate, shell) + (shell == Shell::tcsh ? ";\n" : "\n");
  }
  return result;
}

}  // namespace envtool
