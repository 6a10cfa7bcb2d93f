# Sourced by sh, bash, dash, ksh and zsh when the environment is activated.
if [ -n "${ACTIVATION_DEMO_HOME+set}" ]; then
    export ACTIVATION_DEMO_FORMER_HOME="$ACTIVATION_DEMO_HOME"
fi
export ACTIVATION_DEMO_HOME="$CONDA_PREFIX/share/activation-demo"
activation_demo_greet() {
    cat "$ACTIVATION_DEMO_HOME/greeting.txt"
}
