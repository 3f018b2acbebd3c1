"""What results and dispositions mean for parts; pure."""
