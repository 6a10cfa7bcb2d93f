# Sourced by csh and tcsh when the environment is activated.
if ( $?ACTIVATION_DEMO_HOME ) then
    setenv ACTIVATION_DEMO_FORMER_HOME "$ACTIVATION_DEMO_HOME"
endif
setenv ACTIVATION_DEMO_HOME "$CONDA_PREFIX/share/activation-demo"
alias activation_demo_greet 'cat "$ACTIVATION_DEMO_HOME/greeting.txt"'
